"""What MLflow's names and numbers mean to us, for every way of reading them."""

from __future__ import annotations

import sys

SHA_TAG = r"countersign\.dataset\.(.+)\.sha256"
"""Tag of a run with the SHA-256 of a dataset that it read."""
LARGEST_DOUBLE = sys.float_info.max
"""What MLflow's database keeps in place of infinity."""
DROPPED_TAGS = frozenset({"mlflow.log-model.history", "mlflow.loggedModels"})
"""Tags that repeat what is told in another way, at great length."""
LONGEST_TAG = 100_000
"""Characters of a tag's value that are kept."""
