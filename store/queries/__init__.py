"""Questions to the projection, one module a subject; each takes an open connection."""
