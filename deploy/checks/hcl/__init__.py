"""Terraform's language: what its files say, as blocks and arguments."""
