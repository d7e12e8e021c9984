"""Launching pipelines: one protocol, and a module for each place where they run."""
