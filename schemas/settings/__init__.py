"""Settings of the service: name, type, default and meaning of each; the only readers of the environment."""
