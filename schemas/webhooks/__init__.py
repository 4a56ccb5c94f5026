"""What webhooks carry: the shapes that code, schema and documentation are made from."""
