"""Show what a load test found."""
