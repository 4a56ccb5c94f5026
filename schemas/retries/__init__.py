"""When what failed is tried again."""
