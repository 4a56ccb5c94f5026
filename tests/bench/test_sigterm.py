"""The ends of processes in short: every one twice, while it starts or works, with tasks that wait for its one connection."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.sigterm import TARGETS, run, spread


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_every_process_that_is_told_to_end_under_load_does_so_by_itself(tmp_path: Path) -> None:
    report = run(tmp_path, spread(2 * len(TARGETS)), 1, Console(stderr=True))
    assert len(report.ends) == 2 * len(TARGETS)
    assert report.broken == [], report
