"""How long each part of a job takes: told in its events and counted as a metric."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from schemas.metrics import STAGE_SECONDS


class Stopwatch:
    """Seconds by part, beginning with those of earlier stages."""

    def __init__(self, earlier: Mapping[str, float] | None = None) -> None:
        self.timings: dict[str, float] = dict(earlier or {})

    @contextmanager
    def measure(self, part: str) -> Iterator[None]:
        """Count what happens inside as `part`, also when it fails."""
        began = time.monotonic()
        try:
            yield
        finally:
            seconds = time.monotonic() - began
            self.timings[part] = round(seconds, 3)
            STAGE_SECONDS.labels(part).observe(seconds)
