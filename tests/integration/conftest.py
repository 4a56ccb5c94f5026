"""What the tests over real parts share."""

import os
import sys
from collections.abc import Iterator

import httpx
import pytest

from producers.__main__ import main
from sink.objects.s3 import S3ObjectStore
from tests.integration.commands import Done, Run, environment
from tests.integration.shim import RunningShim, serving


@pytest.fixture
def run_here(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The same in this process, which spares the start of a new one for every mistake that can be made."""

    def run(*arguments: str, **values: str) -> Done:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith("SCRIBE_")]:
                patch.delenv(name)
            for name, value in environment(**values).items():
                patch.setenv(name, value)
            patch.setattr(sys, "argv", ["scribe", *arguments])
            with pytest.raises(SystemExit) as caught:
                main()
        shown = capfd.readouterr()
        return Done(arguments, int(caught.value.code or 0), shown.out, shown.err)

    return run


@pytest.fixture
def shim(database: str, object_store: S3ObjectStore) -> Iterator[RunningShim]:
    with serving(database, object_store) as running:
        yield running


@pytest.fixture
def client(shim: RunningShim) -> Iterator[httpx.Client]:
    with shim.client() as opened:
        yield opened
