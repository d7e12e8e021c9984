"""Kubeflow Pipelines by its REST API, version v2beta1."""
