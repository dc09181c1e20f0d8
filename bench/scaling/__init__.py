"""Record the scaling of a Deployment, compare it with the simulator, and plot it."""
