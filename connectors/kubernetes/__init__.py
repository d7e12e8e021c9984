"""Clusters over the Kubernetes API: jobs of several kinds, their pods, their logs."""
