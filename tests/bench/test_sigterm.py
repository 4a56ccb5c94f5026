"""The ends of processes in short: each one once, while it starts or works, with tasks that wait for its one connection."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.sigterm import TARGETS, run, spread

SEED = 1  # draws one end that comes before its process works


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_every_process_that_is_told_to_end_under_load_does_so_by_itself(tmp_path: Path) -> None:
    report = run(tmp_path, spread(len(TARGETS)), SEED, Console(stderr=True))
    assert {end.name for end in report.ends} == set(TARGETS)
    assert sum(end.working for end in report.ends) >= len(TARGETS) - 2
    assert report.broken == [], report
