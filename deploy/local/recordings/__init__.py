"""The recordings of the demo and the tests, with what is said in them."""
