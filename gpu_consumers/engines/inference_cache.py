"""Inference cache of one recording: network outputs in order, kept in its checkpoints and never computed twice."""

import io
import math
import zlib
from collections import deque
from collections.abc import Callable, Sequence
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from gpu_consumers.core.speech.checkpoints import is_due
from gpu_consumers.engines.protocols import Checkpoints

Answer = npt.NDArray[np.float32]  # [rows, ...], a row for each item of a batch


class InferenceCache:
    """Network outputs in the order of their batches, which is the same whenever the same recording is processed."""

    def __init__(self, checkpoints: Checkpoints | None) -> None:
        """Load the stored outputs; raises Outage."""
        # what is never due need not be remembered
        self._checkpoints = checkpoints if checkpoints is not None and math.isfinite(checkpoints.every) else None
        found = self._checkpoints.find(decode) if self._checkpoints is not None else []
        self._cached = deque(answer for part in found for answer in part)
        self._fresh: list[Answer] = []
        self._since = 0.0

    def get_or_compute(self, rows: int, seconds: float, compute: Callable[[], Answer]) -> Answer:
        """The output for the next batch, of so many rows and so many seconds of audio: cached, or computed now."""
        if self._cached and len(self._cached[0]) != rows:
            # another batch than before, so the rest does not fit either, and nothing may be added behind it
            self._cached.clear()
            self._checkpoints = None
        if self._cached:
            return self._cached.popleft()
        answer = compute()
        if self._checkpoints is not None:
            self._fresh.append(answer)
            self._since += seconds
            if is_due(self._since, seconds, self._checkpoints.every):
                self.keep()
        return answer

    def keep(self) -> None:
        """Write a checkpoint of the outputs computed since the last one."""
        if self._checkpoints is not None and self._fresh:
            self._checkpoints.keep(encode(self._fresh))
            self._fresh, self._since = [], 0.0


def encode(answers: Sequence[Answer]) -> bytes:
    """Outputs as a compressed npz, restored bit by bit."""
    file = io.BytesIO()
    np.savez_compressed(file, *answers)
    return file.getvalue()


def decode(body: bytes) -> list[Answer] | None:
    """The outputs that `encode` wrote, None for anything else."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]
    except (ValueError, KeyError, OSError, EOFError, AttributeError, TypeError, BadZipFile, zlib.error):
        return None
