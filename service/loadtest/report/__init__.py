"""Report the results of a load test: on the console, as JSON and as an HTML page."""
