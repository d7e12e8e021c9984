"""The lowest layer: entities, hashes, the append-only log and its DuckDB projection."""
