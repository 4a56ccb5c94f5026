"""What a delivery says about itself."""

from gpu_consumers.core.work import Delivery


def test_a_delivery_counts_all_that_it_holds_in_memory() -> None:
    """Back-pressure by bytes must see headers too: they are a stranger's."""
    assert Delivery("jobs", 0, 0, b"key", b"value", {"x": "a" * 1000}).size_bytes == 3 + 5 + 1 + 1000
    assert Delivery("jobs", 0, 0, None, None).size_bytes == 0
