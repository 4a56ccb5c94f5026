"""The states of a webhook delivery, and the limits shared by REST and the command line."""

from enum import StrEnum

OVERLAP_SECONDS = 24 * 3600
MAX_OVERLAP_SECONDS = 30 * 24 * 3600
"""How long an old secret signs along, and how long it may."""
WAIT_SECONDS = 10.0
MAX_WAIT_SECONDS = 25.0  # a call may take 20
"""How long the answer to a test is waited for."""


class DeliveryState(StrEnum):
    """States of a delivery."""

    PENDING = "pending"
    DELIVERED = "delivered"
    EXHAUSTED = "exhausted"
    DISABLED = "disabled"
