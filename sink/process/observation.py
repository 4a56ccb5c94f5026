"""Observation of a process from outside, set up once at its start: its logs, its version, its spans."""

import time
from importlib.metadata import PackageNotFoundError, version

from schemas.metrics import PROCESS_CLOCK, PROCESS_INFO
from schemas.process import logs
from schemas.settings.service import ServiceSettings
from sink.process import tracing


def observe(settings: ServiceSettings, process: str) -> None:
    """Set up the logs of a process, tell its version, and make spans if there is a collector."""
    logs.configure(settings, process)
    PROCESS_INFO.labels(process, version_of_service()).set(1)
    PROCESS_CLOCK.set_function(time.time)
    if settings.otlp_endpoint is not None:
        tracing.start(settings.otlp_endpoint, process, version_of_service())


def version_of_service() -> str:
    """The version that is installed."""
    try:
        return version("scribe-rabbit")
    except PackageNotFoundError:  # run from a folder
        return "unknown"
