"""The bench of retention in short: the sweep is killed and nothing is left of what is over."""

from pathlib import Path

from deploy.local.stack import Stack
from sink.objects.s3 import S3ObjectStore
from tests.bench.retention import environment_of, run


def test_a_sweep_that_is_killed_again_and_again_leaves_nothing_and_takes_nothing_else(
    stack: Stack, database: str, object_store: S3ObjectStore, tmp_path: Path
) -> None:
    environment = environment_of(stack, database, object_store.bucket)
    report = run(database, object_store, environment, 300, 3, tmp_path / "retention.log")
    assert report.broken == [], report
    assert report.kills >= 1
