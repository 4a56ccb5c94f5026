"""Writer and reader of samples in an .npy file whose length is known only at its end."""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.errors import Permanent


@dataclass(slots=True)
class NpyWriter:
    """Writes blocks [samples, channels]; the first block that is not empty sets the number of channels."""

    file: BinaryIO
    max_seconds: float = float("inf")
    samples: int = 0
    channels: int = 0

    @property
    def seconds(self) -> float:
        """Seconds written so far."""
        return self.samples / SAMPLE_RATE

    def write(self, block: Samples) -> None:
        """Append a block; raises Permanent(media_too_long)."""
        if not len(block):
            return
        if not self.channels:
            self.channels = block.shape[1]
            self._header()
        self.samples += len(block)
        if self.seconds > self.max_seconds:
            raise Permanent("media_too_long", f"more than {self.max_seconds:.0f} seconds")
        self.file.write(np.ascontiguousarray(block, np.float32).data)

    def close(self) -> None:
        """Write the length into the header."""
        self.file.seek(0)
        self.channels = self.channels or 1
        self._header()

    def _header(self) -> None:
        # numpy leaves room in the header for the first axis to grow, so it may be written again in place
        np.lib.format.write_array_header_1_0(
            self.file, {"descr": "<f4", "fortran_order": False, "shape": (self.samples, self.channels)}
        )


def load(path: Path) -> Samples:
    """The samples [samples, channels] of a file, mapped from disk; writing to them changes no file."""
    samples: Samples = np.load(path, mmap_mode="c", allow_pickle=False)
    return samples
