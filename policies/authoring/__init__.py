"""Tools for people who write policies: schema, lint, plain words, cases. All pure."""
