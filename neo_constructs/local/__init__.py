"""Run an endpoint's script on this machine, as the container would."""
