"""Quotas that a tenant's policy may set."""

MOST_QUEUED = "queued"
TOKENS_PER_DAY = "llm_tokens_per_day"
QUOTAS: dict[str, str] = {
    MOST_QUEUED: "jobs that may wait for their turn at once",
    TOKENS_PER_DAY: "tokens that the enhanced-AI service may charge a day",
}
"""What each limits."""
