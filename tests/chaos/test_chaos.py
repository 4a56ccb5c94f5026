"""The service under fire in short, and what the harness itself rests on."""

from pathlib import Path

import pytest
from rich.console import Console

from schemas.process.failpoints import NAMES, REPLAY
from tests.chaos.__main__ import plan_of
from tests.chaos.breaking import Breaker, Broken, Order, orders_of
from tests.chaos.checker import RULES
from tests.chaos.mistakes import MISTAKES
from tests.chaos.places import AT_FAILPOINTS, CUTS
from tests.chaos.plan import OF_THREE, Door, Kind, Plan, Shares
from tests.chaos.planted import BUGS
from tests.chaos.proof import proven
from tests.chaos.proof import shown as proofs_shown
from tests.chaos.proxies import API_KEYS
from tests.chaos.report import as_json, shown
from tests.chaos.run import Run
from tests.chaos.stack import ChaosStack

SHORT = {kind: 1 for kind in Kind if kind not in OF_THREE} | {Kind.KILL: 3, Kind.STOP: 0, Kind.CUT: 3}
LOSSES = {Kind.BROKER: 2, Kind.BROKER_STOP: 1, Kind.BROKER_DRAIN: 1}


def test_jobs_and_faults_are_drawn_from_the_seed_alone() -> None:
    one, same, other = plan_of(5, 1), plan_of(5, 1), plan_of(5, 2)
    assert (one.planned, one.schedule) == (same.planned, same.schedule)
    assert one.planned != other.planned
    assert one.schedule != other.schedule


def test_a_long_plan_has_what_it_promises() -> None:
    plan = plan_of(60, 1)
    deadly = (Kind.KILL, Kind.FAILPOINT)
    assert len(plan.planned) >= 10_000
    assert sum(fault.kind in deadly for fault in plan.schedule) >= 200
    assert sum(fault.kind is Kind.BROKER for fault in plan.schedule) >= 10
    shares = {
        outcome: sum(job.outcome == outcome for job in plan.planned) / 10_000 for outcome in ("transient", "kill")
    }
    assert 0.02 < shares["transient"] < 0.04
    assert 0.001 < shares["kill"] < 0.004
    assert 0.04 < sum(job.door is Door.REST for job in plan.planned) / 10_000 < 0.06
    assert 0.02 < sum(job.cancel is not None for job in plan.planned) / 10_000 < 0.04
    assert {job.replay for job in plan.planned if job.replay is not None} == set(range(30))
    places = {fault.detail for fault in plan.schedule if fault.kind is Kind.FAILPOINT} | set(plan.replay_deaths)
    assert places >= NAMES


def test_what_is_to_be_broken_exists() -> None:
    # every place is tried, where processes are killed or in a replay that dies
    assert {place.name for place in AT_FAILPOINTS} | set(REPLAY) == NAMES
    assert set(CUTS) == set(API_KEYS)


def test_orders_are_read_and_refused() -> None:
    assert orders_of("gpu.after_poll=kill@3,relay.after_mark=delay:0.5") == (
        Order("gpu.after_poll", "kill", 3),
        Order("relay.after_mark", "delay", 1, 0.5),
    )
    with pytest.raises(ValueError, match="no such order"):
        orders_of("gpu.nowhere=kill")


def test_an_order_is_done_at_its_pass_and_never_again() -> None:
    breaker = Breaker(orders_of("gpu.after_poll=raise@2"))
    breaker("gpu.after_poll")
    breaker("gpu.after_commit")
    with pytest.raises(Broken):
        breaker("gpu.after_poll")
    breaker("gpu.after_poll")


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_nothing_is_lost_or_done_twice_while_everything_breaks(
    chaos_stack: ChaosStack, tmp_path: Path, quiet: Console
) -> None:
    """Every kind of fault within some seconds; the long run is `python -m tests.chaos --minutes 60`."""
    ends = {"transient": 0.05, "permanent": 0.05, "undecodable": 0.05, "large": 0.03}
    asked = {"rest": 0.1, "rest_cancel": 0.3, "cancel": 0.05, "replay": 0.1}
    plan = Plan(seed=268, jobs=80, seconds=8, shares=Shares(seconds=0.4, **ends, **asked), faults=SHORT, replays=1)
    result = Run(plan, chaos_stack, tmp_path, "chaos-test", quiet).done()
    quiet.print(shown(result))
    assert result.broken == {}, as_json(result)
    assert sum(result.faults.values()) == len(plan.schedule)
    facts = result.facts
    assert facts.answers and facts.cancels and facts.claims  # noqa: PT018 - one thing: nothing above was vacuous
    assert any(run == 2 for _, run in facts.records)
    assert len(facts.scrapes) > 3  # the shim is away at times
    assert facts.scrapes[-1].accepted == len(facts.rows)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
@pytest.mark.long
def test_three_brokers_lose_one_at_any_moment_and_nothing_else(tmp_path: Path, quiet: Console) -> None:
    """Killed, frozen and restarted in turn, two in-sync replicas stay; the long run is `python -m tests.chaos --brokers 3`."""
    ends = {"transient": 0.05, "permanent": 0.05, "undecodable": 0.05}
    plan = Plan(seed=3, jobs=60, seconds=15, shares=Shares(seconds=0.4, **ends), faults=LOSSES, brokers=3)
    with ChaosStack(tmp_path / "stack", brokers=3) as stack:
        admin = stack.kafka.admin()  # kept: the answers of a client that is collected never come
        assert len(admin.describe_cluster().result().nodes) == 3
        result = Run(plan, stack, tmp_path, "chaos-three", quiet).done()
    assert result.broken == {}, as_json(result)
    assert result.faults == {str(kind): number for kind, number in LOSSES.items()}


@pytest.mark.kafka
def test_a_planted_mistake_is_seen(chaos_stack: ChaosStack, tmp_path: Path, quiet: Console) -> None:
    """One of many; `python -m tests.chaos --planted` tries them all, each with and without it."""
    proof = proven("offsets before results", chaos_stack, tmp_path, quiet, sound_too=False)
    quiet.print(proofs_shown([proof]))
    assert proof.caught


def test_mistakes_are_planted_for_many_promises() -> None:
    assert len(BUGS) >= 12
    assert set(BUGS) <= set(MISTAKES)
    assert {bug.promise for bug in BUGS.values()} <= set(RULES)
