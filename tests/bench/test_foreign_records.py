"""The stranger in short: some mutations to every topic while jobs flow; how long they take is for the long run to say."""

import os
from pathlib import Path

import pytest
from rich.console import Console

from deploy.local.stack import Stack
from tests.bench.foreign_records import run


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
@pytest.mark.long  # the same kinds of records and topics are in tests/integration/foreign with every run
def test_a_stranger_on_every_topic_ends_no_process_and_keeps_no_job_waiting(stack: Stack, tmp_path: Path) -> None:
    with Path(os.devnull).open("w") as nowhere:
        say = Console(file=nowhere)
        report = run(stack, tmp_path, seconds=6, rounds=1, rate=4, count=40, seed=1, say=say)
    assert report.broken == [], report
    assert report.readable > 0
