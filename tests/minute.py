"""Pytest plugin: tests that have not begun some seconds after the first one are skipped, so that a short run is short."""

import time

import pytest

BEGIN_WITHIN = "begin_within"
_SESSION_ENDS = pytest.StashKey[float]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the setting that `deploy/test --changed` gives."""
    parser.addini(BEGIN_WITHIN, "seconds from the first test on after which no other begins; empty: none", default="")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Ask before fixtures are made."""
    if not (seconds := item.config.getini(BEGIN_WITHIN)):
        return
    now = time.monotonic()
    if now > item.session.stash.setdefault(_SESSION_ENDS, now + float(seconds)):
        pytest.skip("the time is over")
