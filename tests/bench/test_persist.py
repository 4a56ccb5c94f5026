"""The persist app against a plain psycopg loop, in short; the full run asks for 0.6."""

from pathlib import Path

import pytest

from deploy.local.stack import Stack
from tests.bench.persist import PersistHarness, Round, call_of

SLACK = 0.4  # a short run on a machine that may be busy
ROUNDS = 6  # at most: one that was disturbed says nothing


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_the_persist_app_keeps_up_with_a_plain_loop(tmp_path: Path) -> None:
    found: list[Round] = []
    with Stack(tmp_path / "stack", durable=True) as stack:
        world = PersistHarness(stack)
        while len(found) < ROUNDS and all(each.ratio < SLACK for each in found):
            found.append(world.round("s3", 300, call_of(24), app_first=len(found) % 2 == 0))
    assert found[-1].ratio >= SLACK, found
