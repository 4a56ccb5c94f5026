"""Quotas that a tenant's policy may set."""

MOST_QUEUED = "queued"
TOKENS_PER_DAY = "llm_tokens_per_day"
QUOTAS: dict[str, str] = {
    MOST_QUEUED: "jobs that may wait for their turn at once",
    TOKENS_PER_DAY: "tokens that the enhanced-AI service may charge a day",
}
"""What each limits."""

MAX_REQUESTS_PER_MINUTE = 1_000_000
"""The highest rate limit of a key: counting is not the limit of a faster client."""
