"""The models that jobs may name: the registry file, and where the files of a model come from."""
