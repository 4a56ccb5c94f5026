"""The edges: one module per outside system (PostgreSQL, S3, HTTP receivers), in both directions."""
