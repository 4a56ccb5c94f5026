"""Group commit: items of concurrent callers are processed in groups, and each caller gets the result of its own.

No item waits for a group to fill while nothing runs: groups grow with the load. A failure of a single item does not
affect others: `work` rolls the group back, and each item is processed alone.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

from schemas import metrics
from schemas.errors import Fatal, Outage

log = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class GroupLimits:
    """Limits: the size of groups, the number of concurrent groups, and the time of each step."""

    items: int = 32
    size: int = 4_000_000  # bytes; a larger item is a group of its own, and one of them runs at a time
    running: int = 2  # one works on the database while the next one is made ready
    linger: float = 0.005  # seconds a group that is not full waits while another one runs
    seconds: float = 45.0  # until a group that does not end is an outage


class Sized(Protocol):
    """Properties of a waiting item."""

    @property
    def key(self) -> Hashable:
        """Items with the same key never run at the same time, and keep their order."""

    @property
    def size(self) -> int:
        """Size in bytes."""


S = TypeVar("S", bound=Sized)


def next_group(waiting: Sequence[S], limits: GroupLimits) -> tuple[list[S], list[S]]:
    """The items of the next group in order, and the remaining ones; the first item is always included."""
    group: list[S] = []
    rest: list[S] = []
    keys: set[Hashable] = set()
    size = 0
    for item in waiting:
        fits = len(group) < limits.items and size + item.size <= limits.size and item.key not in keys
        if group and not fits:
            rest.append(item)
        else:
            group.append(item)
            size += item.size
        # also of those that stay, so that nothing overtakes an item of its own key
        keys.add(item.key)
    return group, rest


def is_due(items: int, size: int, running: int, waited: float, limits: GroupLimits) -> bool:
    """Whether the next group starts now: at once when nothing runs, beside others when it is full or has waited."""
    if not items or running >= limits.running:
        return False
    return not running or items >= limits.items or size >= limits.size or waited >= limits.linger


@dataclass(frozen=True, slots=True)
class _Waiting(Generic[T, R]):
    """A waiting item, and the future for its result."""

    item: T
    key: Hashable
    size: int
    since: float
    answer: "asyncio.Future[R]"


class GroupCommit(Generic[T, R]):
    """Passes items to `work` in groups; `name` is its label in metrics.

    `work` answers each item in its place, with an exception where only that item failed. What it raises stands for the
    whole group: Outage and Fatal go to every caller, after anything else each item is worked on alone.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        key: Callable[[T], Hashable],
        size: Callable[[T], int] = lambda _: 0,
        limits: GroupLimits = GroupLimits(),
    ) -> None:
        self._name = name
        self._work = work
        self._key = key
        self._size = size
        self._limits = limits
        self._waiting: list[_Waiting[T, R]] = []
        self._running: dict[asyncio.Task[None], Sequence[_Waiting[T, R]]] = {}

    async def add(self, item: T) -> R:
        """The result of `work` for this item; raises its error for it."""
        loop = asyncio.get_running_loop()
        waiting: _Waiting[T, R] = _Waiting(
            item, self._key(item), self._size(item), time.monotonic(), loop.create_future()
        )
        self._waiting.append(waiting)
        # the callers that are ready now come along
        loop.call_soon(self._consider)
        return await waiting.answer

    def _consider(self) -> None:
        self._waiting = [waiting for waiting in self._waiting if not waiting.answer.done()]
        while next_ones := self._eligible():
            waited = time.monotonic() - next_ones[0].since
            size = sum(waiting.size for waiting in next_ones)
            if not is_due(len(next_ones), size, len(self._running), waited, self._limits):
                if len(self._running) < self._limits.running:
                    asyncio.get_running_loop().call_later(max(0.0, self._limits.linger - waited), self._consider)
                return
            group, _ = next_group(next_ones, self._limits)
            chosen = set(map(id, group))
            self._waiting = [waiting for waiting in self._waiting if id(waiting) not in chosen]
            task = asyncio.get_running_loop().create_task(self._run(group))
            self._running[task] = group
            task.add_done_callback(self._ended)

    def _is_large(self, waiting: _Waiting[T, R]) -> bool:
        return waiting.size > self._limits.size

    def _eligible(self) -> list[_Waiting[T, R]]:
        """The items that may run now: no two with the same key, and no two large ones, to limit memory."""
        keys = {waiting.key for group in self._running.values() for waiting in group}
        large = any(self._is_large(group[0]) for group in self._running.values())
        return [w for w in self._waiting if w.key not in keys and not (large and self._is_large(w))]

    def _ended(self, task: "asyncio.Task[None]") -> None:
        del self._running[task]
        self._consider()

    async def _run(self, group: Sequence[_Waiting[T, R]]) -> None:
        metrics.PERSIST_BATCH_SIZE.labels(kind=self._name).observe(len(group))
        try:
            with metrics.PERSIST_BATCH_DURATION.labels(kind=self._name).time():
                answers = await self._answers([waiting.item for waiting in group])
        except BaseException:  # the loop ends: nobody may wait for ever
            for waiting in group:
                waiting.answer.cancel()
            raise
        for waiting, answer in zip(group, answers, strict=True):
            if waiting.answer.done():  # its caller went away
                continue
            if isinstance(answer, Exception):
                waiting.answer.set_exception(answer)
            else:
                waiting.answer.set_result(answer)

    async def _answers(self, items: Sequence[T]) -> Sequence[R | Exception]:
        try:
            async with asyncio.timeout(self._limits.seconds):
                return await self._work(items)
        except TimeoutError:
            return [Outage(f"no effect within {self._limits.seconds:g} s") for _ in items]
        except (Outage, Fatal) as error:
            return [error for _ in items]
        except Exception as error:  # noqa: BLE001 - it belongs to one of them, which is found by trying each
            if len(items) == 1:
                return [error]
            log.info("%d %s are done one by one: %s", len(items), self._name, type(error).__name__)
        return [(await self._answers([item]))[0] for item in items]
