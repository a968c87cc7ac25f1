"""Inference Recommender: what is measured, with which traffic, and what is chosen of it."""
