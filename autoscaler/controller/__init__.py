"""Observe, decide and scale, once a second."""
