"""How many pods: pure decisions."""
