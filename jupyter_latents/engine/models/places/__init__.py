"""Where models are: on this machine, and on the hub."""
