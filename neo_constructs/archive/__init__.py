"""model.tar.gz: read, check and write it, without any ML framework."""
