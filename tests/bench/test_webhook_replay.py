"""The replay in short: all that was missed arrives once, under its ids, verified across a change of the secret."""

import asyncio

from deploy.local.stack import Stack
from tests.bench.webhook_replay import measure

NUMBER = 300


def test_all_that_was_missed_arrives_across_a_rotation(postgres_server: Stack) -> None:
    found = asyncio.run(measure(postgres_server, NUMBER))
    assert set(found.seen) == found.expected
    assert (len(found.seen), found.delivered, found.failures) == (NUMBER, NUMBER, 0)
