"""Counts and queues in Redis Cluster."""
