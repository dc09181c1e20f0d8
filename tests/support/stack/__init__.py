"""Real servers and processes, load on them, and faults."""
