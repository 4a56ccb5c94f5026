"""What networks answered to the questions of one recording, so that whoever works on it next need not ask again."""

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

Answer = npt.NDArray[np.float32]  # [rows, ...], a row for each thing that was asked for at once


class InferenceCache:
    """The answers in the order of the questions, which is the same whenever the same is worked on."""

    def __init__(self, checkpoints: Checkpoints | None) -> None:
        """Raises Outage."""
        # what is never due need not be remembered
        self._checkpoints = checkpoints if checkpoints is not None and math.isfinite(checkpoints.every) else None
        found = self._checkpoints.find(decode) if self._checkpoints is not None else []
        self._known = deque(answer for part in found for answer in part)
        self._fresh: list[Answer] = []
        self._since = 0.0

    def play(self, rows: int, seconds: float, ask: Callable[[], Answer]) -> Answer:
        """The answer of so many rows about so many seconds of audio: known already, or asked for now."""
        if self._known and len(self._known[0]) != rows:
            # another question than before, so the rest does not fit either, and nothing may be added behind it
            self._known.clear()
            self._checkpoints = None
        if self._known:
            return self._known.popleft()
        answer = ask()
        if self._checkpoints is not None:
            self._fresh.append(answer)
            self._since += seconds
            if is_due(self._since, seconds, self._checkpoints.every):
                self.keep()
        return answer

    def keep(self) -> None:
        """Leave for others what was answered since the last time."""
        if self._checkpoints is not None and self._fresh:
            self._checkpoints.keep(encode(self._fresh))
            self._fresh, self._since = [], 0.0


def encode(answers: Sequence[Answer]) -> bytes:
    """Answers as a compressed npz; they come back to the last bit."""
    file = io.BytesIO()
    np.savez_compressed(file, *answers)
    return file.getvalue()


def decode(body: bytes) -> list[Answer] | None:
    """What `encode` wrote, None for whatever else."""
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as file:
            return [file[f"arr_{number}"] for number in range(len(file.files))]
    except (ValueError, KeyError, OSError, EOFError, AttributeError, TypeError, BadZipFile, zlib.error):
        return None
