"""Constructs that put the others together, the stacks of them, and their settings."""
