"""Archives of models and payloads: read, checked and packed."""
