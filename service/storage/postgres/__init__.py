"""The likes, in sharded Postgres databases."""
