"""Widgets that know how to show hostile text and nothing of the store."""
