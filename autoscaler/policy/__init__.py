"""Decide how many pods to ask for. Every function here is pure."""
