"""The persist app against a plain psycopg loop, in short; the full run asks for 0.6."""

from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.bench.persist import World, measure

SLACK = 0.4  # a short run on a machine that may be busy


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_the_persist_app_keeps_up_with_a_plain_loop(tmp_path: Path) -> None:
    with Stack(tmp_path / "stack", durable=True) as stack:
        found = measure(World(stack), "s3", rounds=2, results=300, segments=24)
    assert max(r.ratio for r in found) >= SLACK, found
