"""A cluster, its pods and the traffic they get, in simulated time."""
