"""What a flusher tells of its work: its ports, observed, and checks beside it. It knows none of this."""
