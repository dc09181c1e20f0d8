"""Measure one aspect each: the cost of a request, its growth, the memory of a like, and the start of a pod."""
