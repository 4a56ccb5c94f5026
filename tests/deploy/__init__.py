"""The local stack, the locks and the gates."""
