"""Model a cluster, its pods and their traffic in simulated time."""
