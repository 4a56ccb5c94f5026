"""Which tests go to the same worker of pytest-xdist: those of a file, and those of folders that start one service for all."""

import pytest
from xdist.scheduler.loadfile import LoadFileScheduling  # type: ignore[import-untyped]

ONE_SERVICE = ("tests/system/", "tests/integration/foreign/", "tests/chaos/")


class ByService(LoadFileScheduling):  # type: ignore[misc] # the library has no types
    """Files go to workers as they come, but for folders that go as a whole."""

    def _split_scope(self, nodeid: str) -> str:
        return next((folder for folder in ONE_SERVICE if nodeid.startswith(folder)), super()._split_scope(nodeid))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> ByService | None:
    """The scheduler of `--dist loadfile`."""
    return ByService(config, log) if config.getoption("dist") == "loadfile" else None
