"""Shared code of the tests of the documentation."""
