"""Sending of webhooks: payloads, attempts, retry schedules, and fair shares of endpoints."""
