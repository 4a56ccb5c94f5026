"""Models that jobs may name: the registry file, and the sources of model files."""
