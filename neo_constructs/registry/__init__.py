"""The model registry: groups of versions, and the versions in them."""
