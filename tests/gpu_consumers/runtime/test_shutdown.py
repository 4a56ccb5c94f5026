"""How the process ends."""

from gpu_consumers.runtime.shutdown import Shutdown


def test_a_drain_begins_when_it_is_asked_for() -> None:
    drain = Shutdown(60)
    assert not drain.requested.is_set()
    assert not drain.over
    drain.request()
    assert drain.requested.is_set()
    assert not drain.over


def test_without_time_a_drain_is_over_at_once() -> None:
    drain = Shutdown(-1)
    drain.request()
    assert drain.over


def test_a_second_request_gives_no_more_time() -> None:
    drain = Shutdown(-1)
    drain.request()
    drain.seconds = 60
    drain.request()
    assert drain.over


def test_abandoning_is_over_at_once() -> None:
    drain = Shutdown(60)
    drain.abandon()
    assert drain.over
    assert drain.requested.is_set()
