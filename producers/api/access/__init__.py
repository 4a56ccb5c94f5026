"""REST operations over API keys and usage, for whoever manages a tenant, and over dead letters and any job, for operators."""
