"""What a load test found, against what it must have found."""
