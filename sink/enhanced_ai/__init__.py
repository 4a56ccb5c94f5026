"""The enhanced-AI service behind one port: a generic JSON form and any OpenAI-compatible chat endpoint."""
