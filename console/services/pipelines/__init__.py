"""Use cases of pipelines: launch, release, watch, record."""
