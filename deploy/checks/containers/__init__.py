"""Checks that build the images with podman and run them: alone on the local stack, and as the whole system of compose."""
