"""What of a partition was begun without an outcome, so that whoever finds it so knows which record may kill its process.

A record that was begun and has no outcome when its owner is gone is a suspect: it runs alone. One whose process died twice
while it ran alone, without having come any further, is condemned. An owner that leaves in good order takes its marks along, so preemption condemns nobody;
neither do marks that a process finds of itself, for it lives.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

MOST_DEATHS = 2  # while it ran alone: then a record is not run any more
MOST_LATE = 5  # deaths with company, after it had been alone for long: somebody else may have been the cause
MOST_MARKS = 500  # a process has as many as workers; more were not written by one of ours


class StartMode(StrEnum):
    """How a record with a mark was run."""

    NOT = "n"  # a suspect that this owner has not begun
    BESIDE = "b"  # others ran at the same time
    ALONE = "a"
    OPENED = "l"  # alone for long, so that others were let in


@dataclass(frozen=True, slots=True)
class StartMark:
    """One record; `deaths` counts the processes that died while it ran alone, `late` those after it was let have company."""

    offset: int
    begun: StartMode
    deaths: int = 0
    late: int = 0

    def encode(self, base: int) -> str:
        """As text, without `late` where it is 0."""
        return f"{self.offset - base}{self.begun}{self.deaths}{self.late or ''}"


@dataclass(frozen=True, slots=True)
class StartMarks:
    """All marks of a partition in the order in which they were begun; `owned`: somebody has it, or died having it.

    `owner` tells processes apart; empty when it is not known.
    """

    owned: bool = False
    begun: tuple[StartMark, ...] = ()
    owner: str = ""

    def __bool__(self) -> bool:
        return self.owned or bool(self.begun)

    def encode(self, base: int) -> str:
        """As text, offsets relative to `base`; empty when there is nothing to tell."""
        if not self:
            return ""
        owner = OWNER + self.owner if self.owner else ""
        return ("o" if self.owned else "-") + ",".join(mark.encode(base) for mark in self.begun) + owner


NO_MARKS = StartMarks()
OWNER = "@"  # before the name of the owner
_MARK = re.compile(r"(\d{1,9})([nbal])(\d)(\d?)")
_OWNER = re.compile(r"[0-9a-z]{0,16}")


def decode(base: int, text: str) -> StartMarks:
    """What `encode` wrote; nothing for whatever else, never an error."""
    if not text or text[0] not in "o-":
        return NO_MARKS
    listed, _, owner = text[1:].partition(OWNER)
    found = [_MARK.fullmatch(part) for part in listed.split(",")] if listed else []
    marks = tuple(
        StartMark(base + int(m[1]), StartMode(m[2]), int(m[3]), int(m[4] or 0)) for m in found if m is not None
    )
    if len(marks) != len(found) or len(marks) > MOST_MARKS or len({mark.offset for mark in marks}) != len(marks):
        return NO_MARKS
    return StartMarks(text[0] == "o", marks, owner) if _OWNER.fullmatch(owner) else NO_MARKS


@dataclass(slots=True)
class _Past:
    """What is known of a suspect; `place` among those that were begun, `opened`: it had lived for long."""

    deaths: int
    late: int
    place: int
    opened: bool

    @classmethod
    def of(cls, mark: StartMark, place: int, *, died: bool) -> "_Past":
        """After the process that left the mark has `died`, or was only without its partition for a while."""
        alone, opened = mark.begun is StartMode.ALONE, mark.begun is StartMode.OPENED
        return cls(mark.deaths + (died and alone), min(9, mark.late + (died and opened)), place, opened)


class CrashSuspects:
    """The marks of one assignment of one partition."""

    def __init__(self, found: StartMarks = NO_MARKS, owner: str = "") -> None:
        """`found` is what the owner before left behind, `owner` what this one is called."""
        # whoever died may have begun more than it could tell: from now on nothing begins before its mark is committed
        self.careful = bool(found)
        died = not owner or owner != found.owner
        self._owner = owner
        self._suspects = {mark.offset: _Past.of(mark, place, died=died) for place, mark in enumerate(found.begun)}
        self._running: dict[int, StartMode] = {}
        self._hanging: set[int] = set()

    def deaths(self, offset: int) -> int | None:
        """Of a suspect, how many processes died while it ran alone; None when it is none."""
        past = self._suspects.get(offset)
        return None if past is None else past.deaths

    def condemned(self, offset: int) -> bool:
        """Whether it must not be run any more."""
        past = self._suspects.get(offset)
        return past is not None and (past.deaths >= MOST_DEATHS or past.late >= MOST_LATE)

    def suspicion(self, offset: int) -> tuple[bool, int, int]:
        """Greater for those to be run first: it is the one begun last that most likely killed, not one that lived long."""
        past = self._suspects.get(offset)
        return (False, 0, -1) if past is None else (not past.opened, past.deaths, past.place)

    def begin(self, offset: int, *, alone: bool) -> None:
        """It is being run; again, when it is not alone any more."""
        self._running[offset] = StartMode.ALONE if alone else StartMode.BESIDE

    def open_up(self, offset: int) -> None:
        """It has been alone for so long that others may begin beside it."""
        self._running[offset] = StartMode.OPENED

    def hang(self, offset: int) -> None:
        """It does not move any more, so its process must end. Of a suspect that counts as a death, whatever ran beside it.

        Any other becomes one: it may only have waited for what another one hangs in.
        """
        if offset in self._running:
            self._running[offset] = StartMode.ALONE if offset in self._suspects else StartMode.BESIDE
            self._hanging.add(offset)

    def abandon(self, offset: int) -> None:
        """It was not run to its end, and nobody died of that."""
        self._running.pop(offset, None)
        self._hanging.discard(offset)

    def advanced(self, offset: int) -> bool:
        """What is done of it will not be done again: whatever killed it before is behind it, and it goes on as if new.

        So a long recording on machines that are taken away without notice ends, and one that kills at a certain place is
        found when it comes to it. Returns whether that changes its mark.
        """
        if offset not in self._suspects:
            return False
        self._hanging.discard(offset)
        past = self._suspects[offset]
        self._suspects[offset] = _Past(0, 0, past.place, past.opened)
        self._running[offset] = StartMode.BESIDE
        return True

    def finish(self, offsets: Iterable[int]) -> None:
        """They have an outcome, which is committed."""
        for offset in offsets:
            self._running.pop(offset, None)
            self._hanging.discard(offset)
            self._suspects.pop(offset, None)

    def marks(self, finishing: Collection[int] = (), *, leaving: bool = False) -> StartMarks:
        """What to commit beside an outcome of those in `finishing`; `leaving`: in good order, as if nothing was begun but what hangs."""
        running = {o: how for o, how in tuple(self._running.items()) if not leaving or o in self._hanging}
        waiting = [offset for offset in tuple(self._suspects) if offset not in running]
        begun = {**dict.fromkeys(waiting, StartMode.NOT), **running}
        suspects = dict(self._suspects)
        told = (_mark(offset, how, suspects.get(offset)) for offset, how in begun.items() if offset not in finishing)
        return StartMarks(not leaving, tuple(told), "" if leaving else self._owner)


def _mark(offset: int, how: StartMode, past: _Past | None) -> StartMark:
    return StartMark(offset, how) if past is None else StartMark(offset, how, past.deaths, past.late)
