"""Parts of HTTP requests: media types, forms, queries, cursors, idempotency keys."""
