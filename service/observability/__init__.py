"""Metrics, logs, traces and load reports, which every other package uses."""
