"""What an upload costs the process in memory, in short: of more bytes than it may grow by."""

import pytest

from deploy.local.stack import Stack
from tests.bench.uploads import MOST_BYTES, WAYS, measure

SIZE = 100_000_000


@pytest.mark.long
def test_an_upload_is_not_kept_in_memory(stack: Stack, database: str, bucket: str) -> None:
    environment = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket}
    found = measure(environment, SIZE)
    assert found.keys() == WAYS.keys()
    assert max(grown for grown, _ in found.values()) <= MOST_BYTES < SIZE
