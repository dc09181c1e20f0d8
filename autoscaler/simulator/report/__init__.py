"""Scores, comparison and drawings."""
