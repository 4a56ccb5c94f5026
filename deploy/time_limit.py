"""Time limit of a whole run, and the termination of a command that hangs: stack traces first, then signals."""

import faulthandler
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress

import psutil

OUT_OF_TIME = 124  # as timeout(1) has it
END_SECONDS = 120  # for what is left to do when time is over, the stack's end above all
# how a command is asked to end, and how many seconds it gets each time
INTERRUPT: tuple[tuple[int, float], ...] = ((signal.SIGINT, 60), (signal.SIGABRT, 10), (signal.SIGKILL, 10))
REPORT: tuple[tuple[int, float], ...] = ((signal.SIGUSR1, 10), *INTERRUPT)  # after it has said where it stands


class OutOfTime(Exception):
    """Error: the whole run takes longer than it may."""


def limit_run(seconds: int, end_seconds: int = END_SECONDS) -> None:
    """Raise OutOfTime in the main thread after `seconds`, and end this process `end_seconds` after that."""

    def raise_out_of_time(*_: object) -> None:
        signal.signal(signal.SIGALRM, lambda *_: _give_up())
        signal.alarm(end_seconds)
        raise OutOfTime

    signal.signal(signal.SIGALRM, raise_out_of_time)
    signal.alarm(seconds)


def _give_up() -> None:
    faulthandler.dump_traceback(file=sys.__stderr__ or 2)
    for offspring in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            offspring.kill()
    os._exit(OUT_OF_TIME)


def end_group(child: subprocess.Popen[bytes], steps: Sequence[tuple[int, float]]) -> None:
    """Terminate a gate with one signal after the other, and finally kill the rest of its process group."""
    for number, seconds in steps:
        # all of them say where they stand; only the first one knows how to end the others
        everybody = number in (signal.SIGUSR1, signal.SIGABRT, signal.SIGKILL)
        with suppress(ProcessLookupError):
            os.killpg(child.pid, number) if everybody else child.send_signal(number)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            break
    with suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
