"""Which processes are beyond help, and which only wait."""

from dataclasses import replace
from typing import Any

import pytest
from faust.types import TP

from schemas.process.wait_reasons import WaitReason
from streams.kafka.progress import Place
from streams.runtime.watchdog import Cause, LivenessSample, WatchdogLimits, _state, cause, closed_gates, stall_reason

LIMITS = WatchdogLimits(tick=60, poll=300, handling=300, rebalance=300, fetching=600, committing=300, stopping=90)
WELL = LivenessSample(
    tick=1,
    poll=1,
    handling=1,
    settled=1,
    rebalance=1,
    fetching=1,
    committing=1,
    stopping=None,
    coordinating=True,
    waiting=False,
)


def test_a_partition_with_a_control_marker_at_its_end_has_nothing_in_hand() -> None:
    """What was fetched is past the marker, and what is committed is before it."""
    state = _state("g", TP("t", 0), Place(10, 10), Place(11, 11), in_hand=0)
    assert (state.committed, state.in_hand) == (10, 0)


@pytest.mark.parametrize(
    "vitals",
    [
        WELL,
        replace(WELL, poll=10_000, settled=10_000, waiting=True),
        replace(WELL, poll=10_000, settled=59, handling=59),
        replace(WELL, poll=1, settled=10_000),
        replace(WELL, tick=60, poll=300, rebalance=300, fetching=600, committing=300),
        replace(WELL, stopping=0.0, coordinating=False, poll=10_000),
    ],
    ids=["well", "an outage lasts", "a queue of slow records", "nothing to do", "at the limits", "it is stopping"],
)
def test_a_process_that_may_recover_goes_on(vitals: LivenessSample) -> None:
    assert stall_reason(vitals, LIMITS) is None


@pytest.mark.parametrize(
    ("vitals", "words"),
    [
        (replace(WELL, tick=61), "event loop"),
        (replace(WELL, tick=61, waiting=True), "event loop"),
        (replace(WELL, poll=301, settled=301), "no record was asked for"),
        (replace(WELL, rebalance=301), "rebalance"),
        (replace(WELL, handling=301), "does not let go"),
        (replace(WELL, handling=301, waiting=True), "does not let go"),
        (replace(WELL, fetching=601), "has brought none"),
        (replace(WELL, committing=301), "not committed"),
        (replace(WELL, coordinating=False), "membership"),
        (replace(WELL, stopping=91), "stopping"),
    ],
)
def test_a_process_without_progress_ends_with_a_reason(vitals: LivenessSample, words: str) -> None:
    assert words in (stall_reason(vitals, LIMITS) or "")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({}, None),
        ({"tick": 61, "handling": 400}, Cause.LOOP),
        ({"handling": 400}, Cause.RECORD),
        ({"handling": 400, "coordinating": False}, Cause.OUTSIDE),
        ({"handling": 400, "rebalance": 400}, Cause.OUTSIDE),
        ({"handling": 400, "stopping": 100.0}, Cause.OUTSIDE),
        ({"fetching": 700}, Cause.OUTSIDE),
        ({"committing": 400}, Cause.OUTSIDE),
        ({"poll": 400, "settled": 400}, Cause.OUTSIDE),
    ],
)
def test_a_record_is_blamed_only_when_nothing_outside_explains_it(changes: dict[str, Any], why: Cause | None) -> None:
    assert cause(replace(WELL, **changes), LIMITS) == why


def test_an_app_says_why_it_lets_nothing_through() -> None:
    well = {"joined": True, "flowing": True, "waiting": False}
    faults = {"joined": WaitReason.STARTING, "flowing": WaitReason.REBALANCE, "waiting": WaitReason.OUTAGE}
    assert closed_gates(**well) == ()
    for name, reason in faults.items():
        assert closed_gates(**{**well, name: not well[name]}) == (reason,)
