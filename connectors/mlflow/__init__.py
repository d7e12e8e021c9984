"""MLflow: read over REST, from its database or from `mlruns/`; aliases moved by REST.

`rows` are what every route yields, `telling` turns them into facts.
"""
