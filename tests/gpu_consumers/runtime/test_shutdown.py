"""How the process ends."""

from gpu_consumers.runtime.shutdown import Shutdown


def test_a_drain_begins_when_it_is_asked_for() -> None:
    shutdown = Shutdown(60)
    assert not shutdown.requested.is_set()
    assert not shutdown.deadline_passed
    shutdown.request()
    assert shutdown.requested.is_set()
    assert not shutdown.deadline_passed


def test_without_time_a_drain_is_over_at_once() -> None:
    shutdown = Shutdown(-1)
    shutdown.request()
    assert shutdown.deadline_passed


def test_a_second_request_gives_no_more_time() -> None:
    shutdown = Shutdown(-1)
    shutdown.request()
    shutdown.seconds = 60
    shutdown.request()
    assert shutdown.deadline_passed


def test_abandoning_is_over_at_once() -> None:
    shutdown = Shutdown(60)
    shutdown.abort()
    assert shutdown.deadline_passed
    assert shutdown.requested.is_set()
