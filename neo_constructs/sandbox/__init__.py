"""An emulated AWS on this machine: no account, no Docker, and no way to reach the real one."""
