"""REST operations over jobs and what belongs to them."""
