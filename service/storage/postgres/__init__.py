"""Likes in sharded Postgres."""
