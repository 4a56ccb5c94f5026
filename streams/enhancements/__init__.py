"""Calls of the enhanced-AI service: consent, limits, retries."""
