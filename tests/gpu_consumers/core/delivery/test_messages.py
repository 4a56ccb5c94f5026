"""What a delivery says about itself."""

from gpu_consumers.core.delivery.messages import Delivery
from schemas.wire.headers import Origin, retry_headers
from tests.samples import AT


def test_a_delivery_counts_all_that_it_holds_in_memory() -> None:
    """Back-pressure by bytes must see headers too: they are a stranger's."""
    assert Delivery("jobs", 0, 0, b"key", b"value", {"x": "a" * 1000}).size_bytes == 3 + 5 + 1 + 1000
    assert Delivery("jobs", 0, 0, None, None).size_bytes == 0


def test_only_a_retry_tells_where_it_came_from() -> None:
    """In any other topic the headers are a stranger's, and a dead letter goes back to where it says it came from."""
    first = Origin("scribe.jobs", 3, 17)
    headers = retry_headers({}, first, 2, AT, "hm")
    assert Delivery("scribe.transcribers.retry.1m", 0, 5, None, None, headers).origin == first
    assert Delivery("scribe.jobs", 0, 5, None, None, headers).origin == Origin("scribe.jobs", 0, 5)
