"""What two processes agree on: golden bytes, compatibility, limits, settings."""
