"""Screens: they arrange what services answer, and decide nothing."""
