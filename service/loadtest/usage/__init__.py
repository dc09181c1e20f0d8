"""Measure what a load test uses: CPU time, network, memory, disk, logs and metrics."""
