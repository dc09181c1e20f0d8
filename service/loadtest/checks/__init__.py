"""Compare the counts that a load test expects with the actual ones."""
