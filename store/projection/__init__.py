"""The DuckDB projection of a log: every question is asked of it, and it can be lost.

Nothing here decides anything. `schema` says what the tables are, `connection` opens
the file briefly, `batches` turns facts into Parquet and back, `apply` takes the next
entries, `rebuild` makes it anew and compares.
"""
