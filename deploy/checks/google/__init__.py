"""Checks of the Terraform for Google Cloud without its provider: schema, planted typos, security properties."""
