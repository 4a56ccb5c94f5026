"""REST operations over API keys, for whoever manages those of a tenant or of all."""
