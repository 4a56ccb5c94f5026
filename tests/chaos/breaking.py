"""What a process does at a failpoint, as tests order it: `name=what@n`, separated by commas.

`what` is kill, stop, raise, or delay:SECONDS; it happens at the n-th time that the process passes the place.
"""

import os
import signal
import threading
import time
from collections import Counter
from dataclasses import dataclass

from schemas.failpoints import NAMES


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
    """The hook for schemas.failpoints.arm."""

    def __init__(self, orders: tuple[Order, ...]) -> None:
        self._orders = {order.name: order for order in orders}
        self._passed: Counter[str] = Counter()
        self._lock = threading.Lock()

    def __call__(self, name: str) -> None:
        """Do what was ordered for this place, if it is time."""
        order = self._orders.get(name)
        if order is None:
            return
        with self._lock:
            self._passed[name] += 1
            due = self._passed[name] == order.hit
        if due:
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
