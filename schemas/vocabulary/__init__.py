"""Vocabulary of inputs: known words, and messages about unknown ones."""
