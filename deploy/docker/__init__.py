"""The images of the service: how they are built, what is in them, and the check of their health."""
