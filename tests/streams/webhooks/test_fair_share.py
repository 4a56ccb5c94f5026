"""Places are shared: nobody waits for another's backlog, tenant or trouble, and no endpoint is sent to faster than it may."""

from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sink.webhooks.leases import EndpointQueue, LeaseGrant
from streams.webhooks.fair_share import ConcurrencyLimits, InFlight, level, shared

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
SHARES = ConcurrencyLimits(per_endpoint=4, per_tenant=8, failing=8, per_second=100)


def queue(**values: object) -> EndpointQueue:
    given: dict[str, object] = {
        "endpoint_id": uuid4(),
        "tenant": "acme",
        "max_per_second": None,
        "tokens": None,
        "tokens_at": None,
        "failing": False,
        "running": 0,
        "waiting": 4,
        "due_at": NOW,
        "now": NOW,
        **values,
    }
    return EndpointQueue(**given)  # type: ignore[arg-type]


QUEUES = st.builds(
    queue,
    endpoint_id=st.uuids(),
    tenant=st.sampled_from(["acme", "globex", "initech"]),
    max_per_second=st.one_of(st.none(), st.floats(0.01, 1000)),
    tokens=st.one_of(st.none(), st.floats(0, 1000)),
    tokens_at=st.one_of(st.none(), st.integers(-10, 1000).map(lambda s: NOW - timedelta(seconds=s))),
    failing=st.booleans(),
    running=st.integers(0, 4),
    waiting=st.integers(1, 4),
)


def places(grants: dict[UUID, LeaseGrant], queue: EndpointQueue) -> int:
    return grants[queue.endpoint_id].places if queue.endpoint_id in grants else 0


@given(queues=st.lists(QUEUES, max_size=40, unique_by=lambda q: q.endpoint_id), free=st.integers(0, 64))
def test_no_share_is_exceeded(queues: list[EndpointQueue], free: int) -> None:
    grants = shared(queues, free, InFlight(), SHARES)
    assert sum(grant.places for grant in grants.values()) <= free
    for one in queues:
        assert places(grants, one) <= min(one.waiting, 4 - one.running, level(one, 100))
    for tenant in {one.tenant for one in queues}:
        assert sum(places(grants, one) for one in queues if one.tenant == tenant) <= SHARES.per_tenant
    assert sum(places(grants, one) for one in queues if one.failing) <= SHARES.failing
    assert all(grant.places > 0 for grant in grants.values())


@given(queues=st.lists(QUEUES, max_size=40, unique_by=lambda q: q.endpoint_id))
def test_a_place_is_left_only_when_nobody_may_have_it(queues: list[EndpointQueue]) -> None:
    held = InFlight()
    grants = shared(queues, 1000, held, SHARES)
    for one in queues:
        most = min(one.waiting, 4 - one.running, int(level(one, 100)))
        assert places(grants, one) == most or not held.admits(one, SHARES)


def test_one_place_each_comes_before_a_second_one() -> None:
    first, second, third = queue(), queue(), queue()
    grants = shared([first, second, third], 4, InFlight(), SHARES)
    assert [places(grants, one) for one in (first, second, third)] == [2, 1, 1]


def test_what_is_held_counts() -> None:
    mine, others = queue(), queue(tenant="globex", failing=True)
    held = InFlight()
    for _ in range(7):
        held.take("acme", failing=True)
    grants = shared([mine, others], 64, held, SHARES)
    assert (places(grants, mine), places(grants, others)) == (1, 1)


def test_any_number_of_failing_endpoints_leaves_places_for_the_others() -> None:
    failing = [queue(tenant=f"t{n}", failing=True) for n in range(100)]
    healthy = queue()
    grants = shared([*failing, healthy], 64, InFlight(), SHARES)
    assert places(grants, healthy) == 4
    assert sum(places(grants, one) for one in failing) == SHARES.failing


@pytest.mark.parametrize(
    ("pace", "tokens", "seconds", "expected"),
    [
        (None, None, 0, 100),
        (10.0, 0.0, 0.5, 5),
        (10.0, 9.0, 5, 10),
        (0.1, 0.0, 5, 0.5),
        (0.1, 0.0, 50, 1),
        (10.0, 3.0, -5, 3),
    ],
)
def test_a_bucket_fills_at_its_pace_and_holds_a_second(
    pace: float | None, tokens: float | None, seconds: float, expected: float
) -> None:
    one = queue(max_per_second=pace, tokens=tokens, tokens_at=NOW - timedelta(seconds=seconds))
    assert level(one, 100) == pytest.approx(expected)


@given(pace=st.floats(0.05, 50), steps=st.lists(st.floats(0.01, 3), min_size=1, max_size=60))
def test_over_any_time_no_more_is_sent_than_the_pace_and_one_bucket(pace: float, steps: list[float]) -> None:
    """Leases at any moments, each taking all it gets: the tokens that are left are kept from one to the next."""
    tokens, at, now, sent = None, NOW, NOW, 0
    for step in steps:
        now += timedelta(seconds=step)
        one = queue(max_per_second=pace, tokens=tokens, tokens_at=at, now=now, waiting=4)
        (grant,) = shared([one], 64, InFlight(), SHARES).values() or (LeaseGrant(places=0, level=level(one, 100)),)
        tokens, at, sent = grant.level - grant.places, now, sent + grant.places
    # by the clock, which has whole microseconds
    assert sent <= max(1.0, pace) + pace * (now - NOW).total_seconds() + 1e-6
