"""Checks of the Kubernetes manifests: rendered, valid on several versions, restricted, complete, and in step with the code."""
