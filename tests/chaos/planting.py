"""What mistakes are planted with."""

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any

FIRST_LIFE = "1"


@dataclass(frozen=True)
class Mistake:
    """What is planted, into which kind of process."""

    into: str
    plant: Callable[[], None]


def death(passes: int) -> Callable[[], None]:
    """A call that ends the process when it is made so often, unless it was started again."""
    counted = count(1)

    def call() -> None:
        if next(counted) == passes and os.environ.get("CHAOS_LIFE") == FIRST_LIFE:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def put(where: Any, name: str, instead: Any) -> None:
    """Something else in the place of what a module or class has under a name."""
    setattr(where, name, instead)
