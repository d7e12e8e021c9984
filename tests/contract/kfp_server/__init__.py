"""Kubeflow Pipelines as its published API has it, on a port of this machine."""
