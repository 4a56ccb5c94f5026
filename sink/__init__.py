"""Adapters to outside systems (PostgreSQL, S3, HTTP receivers), one module for each, in both directions."""
