"""A Kubernetes API server for tests: no nodes, no scheduler, faults on request."""
