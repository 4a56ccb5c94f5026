"""The stand-in models, small enough to be checked in, and their registry."""
