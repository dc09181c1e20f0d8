"""Shared code of the tests of identities."""
