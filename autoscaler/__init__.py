"""Scale the API pods and the flushers of Likewise within seconds of a rise."""
