"""The outage in short: database and object store away together, under load that fills every buffer."""

from pathlib import Path

import pytest
from rich.console import Console

from tests.bench.outage import What, run


@pytest.mark.kafka
@pytest.mark.postgres
@pytest.mark.s3
def test_nothing_is_lost_while_database_and_object_store_are_away(tmp_path: Path) -> None:
    report = run(tmp_path, What.BOTH, 8, 30, Console(stderr=True))
    assert report.broken == [], report
