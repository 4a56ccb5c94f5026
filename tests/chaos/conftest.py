"""One stack for all runs of this folder."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from tests.chaos.stack import ChaosStack


@pytest.fixture
def quiet() -> Iterator[Console]:
    """A console that shows nothing."""
    with Path(os.devnull).open("w") as nowhere:
        yield Console(file=nowhere)


@pytest.fixture(scope="package")
def chaos_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChaosStack]:
    """Servers with proxies before them, which each run uses under names of its own."""
    with ChaosStack(tmp_path_factory.mktemp("chaos") / "stack") as started:
        yield started
