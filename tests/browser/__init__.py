"""The button in a real browser, against the real API."""
