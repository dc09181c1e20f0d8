"""Read and write Kubernetes objects. Only `transport` imports the Kubernetes client."""
