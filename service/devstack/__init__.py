"""Run the whole service on one machine, from embedded servers."""
