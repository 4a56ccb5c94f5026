"""A real Kubernetes API server with simulated nodes, built from Go modules, and what every overlay does on it."""
