"""Inputs from outside, read strictly: JSON, ids by their beginnings, and what is wrong with them."""
