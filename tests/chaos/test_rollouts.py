"""Upgrades and ways back, in both orders, while jobs come in; and what their plan rests on."""

from pathlib import Path

import pytest
from rich.console import Console

from tests import version_before
from tests.chaos.places import PROCESSES
from tests.chaos.plan import Plan, Shares
from tests.chaos.report import as_json, shown
from tests.chaos.rollout import Ending, steps
from tests.chaos.run import Run
from tests.chaos.stack import ChaosStack

ROLLOUTS = 2


def test_every_process_ends_both_ways_in_both_versions_and_orders() -> None:
    found = {
        (name, number // len(PROCESSES) % 2, step.ending)
        for number, (name, step) in enumerate(
            (name, step) for step in steps(4) for name in step.names if name in PROCESSES
        )
    }
    assert found == {(name, version, ending) for name in PROCESSES for version in (0, 1) for ending in Ending}


def test_two_rollouts_mix_the_versions_in_every_way_that_four_do() -> None:
    assert mixtures(2) == mixtures(4)


def mixtures(rollouts: int) -> set[frozenset[str]]:
    """The sets of processes that are of this version while others are not."""
    now: frozenset[str] = frozenset()
    found = set()
    for step in steps(rollouts):
        now ^= frozenset(step.names) & frozenset(PROCESSES)
        found.add(now)
    return found


def test_a_clone_without_the_history_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(version_before, "COMMIT", "0" * 12)
    with pytest.raises(version_before.NotHere, match="git fetch --unshallow"):
        version_before.unpack(tmp_path)


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
@pytest.mark.long
@pytest.mark.timeout(900)  # two dozen processes start one after the other
def test_jobs_flow_while_all_processes_are_upgraded_and_go_back(
    chaos_stack: ChaosStack, code_before: Path, tmp_path: Path, quiet: Console
) -> None:
    """The long run, also with what else breaks, is `python -m tests.chaos --minutes 10 --rollouts 8`."""
    ends = {"transient": 0.05, "permanent": 0.05, "undecodable": 0.03, "large": 0.05}
    asked = {"rest": 0.2, "rest_cancel": 0.2, "cancel": 0.05, "replay": 0.1}
    plan = Plan(1, 120, 20, Shares(seconds=3.0, **ends, **asked), replays=4, rollouts=ROLLOUTS)
    result = Run(plan, chaos_stack, tmp_path, "rollouts", quiet, before=code_before).done()
    quiet.print(shown(result))
    assert result.broken == {}, as_json(result)
    assert sum(result.faults.values()) == sum(len(step.names) for step in steps(ROLLOUTS))
