"""What is read from Kubernetes and written to it."""
