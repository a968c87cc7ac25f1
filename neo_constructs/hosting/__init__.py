"""From a compiled model to an endpoint."""
