"""Checks of deploy/aws: Terraform's own, its tests against a mocked provider, ECS's shapes, planted typos, and checkov."""
