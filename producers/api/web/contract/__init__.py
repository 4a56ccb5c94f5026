"""The contract that clients read: the OpenAPI document with its examples, and what may change in it."""
