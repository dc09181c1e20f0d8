"""Test suites that run on fake stores, on embedded servers and on given servers."""
