"""The budget table: `make bench`. Ratios against a peer in the same run."""
