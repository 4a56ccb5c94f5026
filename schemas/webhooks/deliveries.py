"""The states of a webhook delivery, and the limits that REST and the command line set alike."""

from enum import StrEnum

OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 30 * 24 * 3600
"""How long an old secret signs along, and how long it may."""
WAIT_SECONDS = 10.0
MAX_WAIT_SECONDS = 25.0  # a call may take 20
"""How long the answer to a test is waited for."""


class DeliveryState(StrEnum):
    """Where a delivery stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    DISABLED = "disabled"
