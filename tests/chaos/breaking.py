"""What a process does at a failpoint, as tests order it: `name=what@n`, separated by commas.

`what` is kill, stop, raise, or delay:SECONDS; it happens at the n-th time that the process passes the place.
"""

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from schemas.process.failpoints import NAMES

PASSED = "passed"


class Broken(Exception):
    """What `raise` raises: an error that no code expects."""


@dataclass(frozen=True, slots=True)
class Order:
    """What happens at a place, at the `hit`-th pass."""

    name: str
    what: str
    hit: int
    seconds: float = 0.0


def orders_of(text: str) -> tuple[Order, ...]:
    """The orders in a text; raises ValueError for unknown places and deeds."""
    return tuple(map(_order, filter(None, text.split(","))))


def _order(text: str) -> Order:
    name, _, rest = text.partition("=")
    what, _, hit = rest.partition("@")
    what, _, seconds = what.partition(":")
    if name not in NAMES or what not in ("kill", "stop", "raise", "delay"):
        raise ValueError(f"no such order: {text}")
    return Order(name, what, int(hit or 1), float(seconds or 0))


class Breaker:
    """The hook for schemas.process.failpoints.arm."""

    def __init__(self, orders: tuple[Order, ...], report: Callable[[str, str], None] = lambda *_: None) -> None:
        """`report` hears of a place and what is done there: first that it is passed, then what was ordered."""
        self._orders = {order.name: order for order in orders}
        self._report = report
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        """Do what was ordered for this place, if it is time."""
        order = self._orders.get(name)
        with self._lock:
            self._passed[name] += 1
            passed = self._passed[name]
        if passed == 1:
            self._report(name, PASSED)
        if order is not None and passed == order.hit:
            self._report(name, order.what)
            _do(order)


def _do(order: Order) -> None:
    match order.what:
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "stop":
            os.kill(os.getpid(), signal.SIGSTOP)
        case "delay":
            time.sleep(order.seconds)
        case "raise":
            raise Broken(order.name)


class Passes:
    """A file of many processes that says which places were passed, and what was done there."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def __call__(self, name: str, what: str) -> None:
        """Write down a place and what was done; PASSED once a process."""
        os.write(self._file, f"{name}\t{what}\n".encode())


def passes_of(path: Path) -> Counter[tuple[str, str]]:
    """How many processes passed each place, and how often what was done there."""
    lines = path.read_text().splitlines() if path.exists() else ()
    return Counter((name, what) for name, what in (line.split("\t") for line in lines))
