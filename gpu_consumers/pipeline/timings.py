"""Durations of the parts of a job: reported in its events and counted as a metric."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from schemas.metrics import STAGE_DURATION
from sink.process import tracing


class Stopwatch:
    """Seconds per part, starting with those of earlier stages."""

    def __init__(self, earlier: Mapping[str, float] | None = None) -> None:
        self.timings: dict[str, float] = dict(earlier or {})

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Add the duration of the block to `part`, also when it fails."""
        began = time.monotonic()
        try:
            with tracing.span(part):
                yield
        finally:
            seconds = time.monotonic() - began
            self.timings[part] = round(seconds, 3)
            STAGE_DURATION.labels(part).observe(seconds)
