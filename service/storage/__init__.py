"""The stores: counts and queues in Redis, likes in Postgres."""
