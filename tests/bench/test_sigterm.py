"""The ends of processes in short: each one once, with work and with tasks that wait for its one connection."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.sigterm import TARGETS, run, spread


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_every_process_that_is_told_to_end_under_load_does_so_by_itself(tmp_path: Path) -> None:
    report = run(tmp_path, spread(len(TARGETS)), 1, Console(stderr=True))
    assert {end.name for end in report.ends if end.working} == set(TARGETS)
    assert report.broken == [], report
