"""REST operations in the shape of OpenAI's audio interface, for its official clients."""
