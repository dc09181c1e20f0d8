"""The loop that observes, decides and acts."""
