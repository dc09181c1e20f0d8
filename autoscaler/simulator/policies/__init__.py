"""Implement the policies that the simulator compares."""
