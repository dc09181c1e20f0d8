"""Instrumentation of the flusher: wrappers around the ports of core, metrics, and consistency checks."""
