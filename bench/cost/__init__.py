"""Write what the page about the cost of a like shows: `python -m bench.cost`."""
