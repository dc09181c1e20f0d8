"""What the load is and what it will be."""
