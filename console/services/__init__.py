"""Use cases, one module an area; command line and screens call the same ones."""
