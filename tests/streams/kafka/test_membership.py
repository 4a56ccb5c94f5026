"""Two processes with one name are told apart from a member that was lost once."""

import logging
from collections.abc import Iterator

import pytest

from streams.kafka.membership import COORDINATOR, SECONDS, MembershipLosses

LOST = "Heartbeat failed: local member_id was not recognized; resetting and re-joining group"
coordinator = logging.getLogger(COORDINATOR)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def losses(clock: Clock) -> Iterator[MembershipLosses]:
    found = MembershipLosses("persist-0", clock).install()
    yield found
    coordinator.removeHandler(found)


def test_a_member_that_is_put_out_again_and_again_says_why(
    losses: MembershipLosses, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    for clock.now in (0.0, 5.0):
        coordinator.warning(LOST)
        assert losses.reason is None
    coordinator.warning("something else")
    clock.now = 10.0
    coordinator.warning(LOST)
    assert losses.reason is not None
    assert "another one has the name 'persist-0', too; give each its own SCRIBE_WORKER_ID" in losses.reason
    assert losses.reason in caplog.text
    clock.now = 10.0 + SECONDS
    assert losses.reason is None


def test_what_happens_rarely_or_to_a_nameless_process_has_other_causes(losses: MembershipLosses, clock: Clock) -> None:
    for clock.now in (0.0, SECONDS, 2 * SECONDS):
        coordinator.warning(LOST)
    assert losses.reason is None
    nameless = MembershipLosses(None, clock)
    for _ in range(5):
        nameless.handle(logging.LogRecord(COORDINATOR, logging.WARNING, "", 0, LOST, None, None))
    assert nameless.reason is None
