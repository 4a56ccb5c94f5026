"""What can be seen of a process from outside, set up once at its start: its logs, its version."""

import time
from importlib.metadata import PackageNotFoundError, version

from schemas.metrics import PROCESS_CLOCK, PROCESS_INFO
from schemas.process import logs
from schemas.settings import ServiceSettings


def observe(settings: ServiceSettings, process: str) -> None:
    """Set up the logs of a process and tell its version."""
    logs.configure(settings, process)
    PROCESS_INFO.labels(process, version_of_service()).set(1)
    PROCESS_CLOCK.set_function(time.time)


def version_of_service() -> str:
    """The version that is installed."""
    try:
        return version("scribe-rabbit")
    except PackageNotFoundError:  # run from a folder
        return "unknown"
