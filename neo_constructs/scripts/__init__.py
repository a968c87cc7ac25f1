"""Inference scripts: what a serving container calls in them, checked by their syntax."""
