"""Read the load of pods and flushers from Redis or Prometheus."""
