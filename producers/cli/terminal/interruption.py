"""Ctrl-C and SIGTERM: an interrupted command reports what continues, what was done, and how to resume."""

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import typer

INTERRUPTED, TERMINATED = 128 + signal.SIGINT, 128 + signal.SIGTERM
NOTHING_DONE = "interrupted; nothing was changed"


@contextmanager
def telling(words: str | Callable[[], str]) -> Iterator[None]:
    """On an interruption of the block, end the command with `words` on stderr and exit code 130 (143 for SIGTERM)."""
    terminated: list[bool] = []

    def terminate(_number: int, _frame: FrameType | None) -> None:
        terminated.append(True)
        # ignored in whatever a shell without a terminal puts behind `&`
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
            raise KeyboardInterrupt
        # the same end as by Ctrl-C, which asyncio brings about in good order
        signal.raise_signal(signal.SIGINT)

    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield
    except KeyboardInterrupt as error:
        sys.stderr.write(f"{words if isinstance(words, str) else words()}\n")
        raise typer.Exit(TERMINATED if terminated else INTERRUPTED) from error
    finally:
        signal.signal(signal.SIGTERM, before)


class Count:
    """A count of finished items, of a total where that is known, for the message of an interruption."""

    def __init__(self, total: int = 0) -> None:
        self.total = total
        self.done = 0

    def add(self, count: int = 1) -> None:
        """Add finished items to the count."""
        self.done += count

    def __str__(self) -> str:
        return f"{self.done:,} of {self.total:,}"
