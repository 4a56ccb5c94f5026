"""REST operations over webhook endpoints and deliveries."""
