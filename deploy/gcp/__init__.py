"""Google Cloud: Terraform modules, examples of two sizes, and what they read of the code as data."""
