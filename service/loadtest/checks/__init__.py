"""Compare what a load test was promised with what is there."""
