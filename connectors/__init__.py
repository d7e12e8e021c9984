"""Outside systems, one module or sub-package each, behind small protocols."""
