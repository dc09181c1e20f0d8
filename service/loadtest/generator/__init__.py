"""Plan and send the likes of a load test."""
