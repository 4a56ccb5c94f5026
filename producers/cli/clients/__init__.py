"""REST and the object store as the command line reaches them."""
