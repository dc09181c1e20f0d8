"""Identify the actor of a request: visitor tokens, users' JWTs, servers' API keys, allowed origins and CSRF tokens."""
