"""What stands for each kind of container in the worker; each file is loaded alone."""
