"""The service on Kubernetes: kustomize base, overlays and components; README.md says how they are used."""
