"""The doors, the relay and the commands, module by module."""
