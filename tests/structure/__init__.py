"""The rules of the house that no other tool checks: layout, documentation, metrics, row security."""
