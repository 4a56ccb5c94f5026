"""One table has every schedule of retries, and nothing outside makes waits of its own."""

import re
from pathlib import Path

from schemas.retries import schedules
from schemas.retries.backoff import Backoff, FixedWaits
from schemas.retries.schedules import GPU_JOBS, LADDER, SCHEDULES

ROOT = Path(__file__).parents[3]
_OWN_GROWTH = re.compile(r"\b2(\.0)?\s*\*\*\s*min\(|(?i:pause|delay|backoff|wait)\w*\s*\*=?\s*(2\b|GROWTH)")


def test_every_schedule_is_in_the_table() -> None:
    waits = {name: value for name, value in vars(schedules).items() if isinstance(value, (Backoff, FixedWaits))}
    assert {name: schedule.waits for name, schedule in SCHEDULES.items()} == waits
    assert tuple(LADDER.steps.values()) == GPU_JOBS.seconds


def test_nothing_doubles_waits_of_its_own() -> None:
    """What grows is a Backoff of the table."""
    own = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for folder in ("gpu_consumers", "producers", "sink", "streams")
        for path in (ROOT / folder).rglob("*.py")
        for line in path.read_text().splitlines()
        if _OWN_GROWTH.search(line)
    ]
    assert own == []
