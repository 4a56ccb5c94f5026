"""What of a partition was begun without an outcome, so that whoever finds it so knows which record may kill its process.

A record that was begun and has no outcome when its owner is gone is a suspect: it runs alone. One whose process died twice
while it ran alone, without having come any further, is condemned. An owner that leaves in good order takes its marks along, so preemption condemns nobody.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

MOST_DEATHS = 2  # while it ran alone: then a record is not run any more
MOST_MARKS = 500  # a process has as many as workers; more were not written by one of ours


class Begun(StrEnum):
    """How a record with a mark was run."""

    NOT = "n"  # a suspect that this owner has not begun
    BESIDE = "b"  # others ran at the same time
    ALONE = "a"


@dataclass(frozen=True, slots=True)
class Mark:
    """One record; `deaths` counts the processes that died while it ran alone."""

    offset: int
    begun: Begun
    deaths: int = 0


@dataclass(frozen=True, slots=True)
class Marks:
    """All marks of a partition in the order in which they were begun; `owned`: somebody has it, or died having it."""

    owned: bool = False
    begun: tuple[Mark, ...] = ()

    def __bool__(self) -> bool:
        return self.owned or bool(self.begun)

    def encode(self, base: int) -> str:
        """As text, offsets relative to `base`; empty when there is nothing to tell."""
        marks = ",".join(f"{mark.offset - base}{mark.begun}{mark.deaths}" for mark in self.begun)
        return ("o" if self.owned else "-") + marks if self else ""


NO_MARKS = Marks()
_MARK = re.compile(r"(\d{1,9})([nba])(\d)")


def decode(base: int, text: str) -> Marks:
    """What `encode` wrote; nothing for whatever else, never an error."""
    if not text or text[0] not in "o-":
        return NO_MARKS
    found = [_MARK.fullmatch(part) for part in text[1:].split(",")] if text[1:] else []
    marks = tuple(Mark(base + int(m[1]), Begun(m[2]), int(m[3])) for m in found if m is not None)
    if len(marks) != len(found) or len(marks) > MOST_MARKS or len({mark.offset for mark in marks}) != len(marks):
        return NO_MARKS
    return Marks(text[0] == "o", marks)


class Starts:
    """The marks of one assignment of one partition."""

    def __init__(self, found: Marks = NO_MARKS) -> None:
        """`found` is what the owner before left behind."""
        # whoever died may have begun more than it could tell: from now on nothing begins before its mark is committed
        self.careful = bool(found)
        self._suspects = {mark.offset: mark.deaths + (mark.begun is Begun.ALONE) for mark in found.begun}
        self._order = {mark.offset: place for place, mark in enumerate(found.begun)}
        self._running: dict[int, Begun] = {}

    def deaths(self, offset: int) -> int | None:
        """Of a suspect, how many processes died while it ran alone; None when it is none."""
        return self._suspects.get(offset)

    def condemned(self, offset: int) -> bool:
        """Whether it must not be run any more."""
        return self._suspects.get(offset, 0) >= MOST_DEATHS

    def suspicion(self, offset: int) -> tuple[int, int]:
        """Greater for those to be run first: it is the one begun last that most likely killed."""
        return self._suspects.get(offset, 0), self._order.get(offset, -1)

    def begin(self, offset: int, *, alone: bool) -> None:
        """It is being run; again, when it is not alone any more."""
        self._running[offset] = Begun.ALONE if alone else Begun.BESIDE

    def abandon(self, offset: int) -> None:
        """It was not run to its end, and nobody died of that."""
        self._running.pop(offset, None)

    def advanced(self, offset: int) -> bool:
        """What is done of it will not be done again: whatever killed it before is behind it, and it goes on as if new.

        So a long recording on machines that are taken away without notice ends, and one that kills at a certain place is
        found when it comes to it. Returns whether that changes its mark.
        """
        if offset not in self._suspects:
            return False
        self._suspects[offset] = 0
        self._running[offset] = Begun.BESIDE
        return True

    def finish(self, offsets: Iterable[int]) -> None:
        """They have an outcome, which is committed."""
        for offset in offsets:
            self._running.pop(offset, None)
            self._suspects.pop(offset, None)

    def marks(self, finishing: Collection[int] = (), *, leaving: bool = False) -> Marks:
        """What to commit beside an outcome of those in `finishing`; `leaving`: in good order, so nothing was begun."""
        running = {} if leaving else dict(self._running)
        waiting = [offset for offset in tuple(self._suspects) if offset not in running]
        begun = {**dict.fromkeys(waiting, Begun.NOT), **running}
        suspects = dict(self._suspects)
        told = (Mark(offset, how, suspects.get(offset, 0)) for offset, how in begun.items() if offset not in finishing)
        return Marks(not leaving, tuple(told))
