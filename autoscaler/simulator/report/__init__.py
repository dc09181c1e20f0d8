"""Score, compare and plot simulated runs."""
