"""The whole system on one machine with Docker Compose: its services, settings, first start and monitoring."""
