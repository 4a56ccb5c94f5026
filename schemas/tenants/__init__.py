"""What a tenant may do, and how long its data are kept."""
