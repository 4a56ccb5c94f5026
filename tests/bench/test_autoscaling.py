"""The rules of the overlay keep what autoscaling promises on every trace; rules that are worse break it, each its own way."""

from dataclasses import replace
from typing import Any

import pytest

from tests.bench.autoscaling.__main__ import mistakes, rules, traces
from tests.bench.autoscaling.scaler import Autoscaler, Policy, Rules, rules_of
from tests.bench.autoscaling.simulation import Fleet, direction_changes, simulate

OVERLAY = rules()
HASTY = replace(OVERLAY, down_window=0, up=(Policy("Percent", 100, 15),), down=(Policy("Percent", 100, 15),))


@pytest.mark.parametrize("name", traces())
def test_the_overlay_keeps_the_promises(name: str) -> None:
    for fleet in (Fleet(), Fleet(speed=60, drain_seconds=8)):
        outcome = simulate(traces()[name], OVERLAY, fleet)
        assert mistakes(outcome, fleet) == []


@pytest.mark.parametrize(
    ("name", "changed", "fleet", "mistake"),
    [
        ("an office's day", HASTY, Fleet(), "more than two changes of direction"),
        ("on the edge of one more", OVERLAY, Fleet(cost_delay=1e9, drain_seconds=0), "more than 1 % of jobs killed"),
        ("an archive at once", replace(OVERLAY, most=20), Fleet(), "more pods than partitions"),
        ("waves", replace(OVERLAY, cooldown_seconds=10**6), Fleet(), "pods when idle"),
        ("an archive at once", OVERLAY, Fleet(start_seconds=1e9), "jobs that never end"),
    ],
)
def test_what_would_break_them_is_seen(name: str, changed: Rules, fleet: Fleet, mistake: str) -> None:
    found = mistakes(simulate(traces()[name], changed, fleet), fleet)
    assert any(each.startswith(mistake) for each in found), found


def test_the_same_trace_ends_the_same_way() -> None:
    trace = traces()["waves"]
    assert simulate(trace, OVERLAY, Fleet()) == simulate(trace, OVERLAY, Fleet())


def looks(changed: Rules, metrics: list[tuple[int, float]]) -> list[int]:
    scaler, known = Autoscaler(changed), dict(metrics)
    found, metric = [], 0.0
    for now in range(0, metrics[-1][0] + 1, 5):
        metric = known.get(now, metric)
        number = scaler.look(now, metric)
        if now in known:
            found.append(number)
    return found


def test_the_number_is_the_metric_over_the_threshold_within_its_bounds() -> None:
    # given a threshold of 1800, and at most 4 pods or twice as many in a minute
    # when 20,000 seconds wait, then one wakes, 4 come at once, twice as many a minute later, and never more than 12
    assert looks(OVERLAY, [(0, 20_000), (15, 20_000), (60, 20_000), (90, 20_000), (240, 90_000)]) == [5, 5, 10, 10, 12]


def test_a_tenth_more_changes_nothing() -> None:
    assert looks(HASTY, [(0, 3600), (60, 3600), (75, 3900), (90, 4200)]) == [2, 2, 2, 3]


def test_fewer_come_one_by_one_after_ten_minutes() -> None:
    found = looks(OVERLAY, [(0, 7200), (60, 7200), (75, 1800), (645, 1800), (675, 1800), (900, 1800), (990, 1800)])
    assert found == [4, 4, 4, 4, 3, 3, 2]


def test_none_is_left_after_the_cooldown() -> None:
    found = looks(OVERLAY, [(0, 100), (60, 0), (600, 0), (645, 0), (660, 0), (700, 5), (720, 5)])
    assert found == [1, 1, 1, 0, 0, 0, 1]


def test_turns_are_counted_within_ten_minutes() -> None:
    up_and_down = [0, 1, 0, 1, 0]
    assert direction_changes(up_and_down) == 3
    assert direction_changes([0, *([1] * 200), 0, *([0] * 200), 1]) == 1
    assert direction_changes([1, 2, 3]) == 0


def test_defaults_are_those_of_kubernetes_and_keda() -> None:
    plain: dict[str, Any] = {
        "spec": {
            "maxReplicaCount": 3,
            "advanced": {"horizontalPodAutoscalerConfig": {"behavior": {}}},
            "triggers": [{"metadata": {"threshold": "5"}}],
        }
    }
    found = rules_of(plain)
    assert (found.polling_seconds, found.cooldown_seconds, found.up_window, found.down_window) == (30, 300, 0, 300)
    assert found.down == (Policy("Percent", 100, 15),)
