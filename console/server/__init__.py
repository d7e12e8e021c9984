"""What countersign takes from others over HTTP; each kind of route is one module."""
