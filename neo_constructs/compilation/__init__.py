"""From a trained model to a compiled one."""
