"""Values that the service answers with."""
