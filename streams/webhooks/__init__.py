"""Webhooks sent: payloads, attempts, schedules, and who may be sent to now."""
