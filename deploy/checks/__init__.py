"""Checks of images, manifests, Terraform and rules with the tools of their own worlds, each skipped where its tool is missing."""
