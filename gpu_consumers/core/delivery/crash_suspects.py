"""Crash suspects of a partition: records that were started and have no outcome, and may have crashed their process.

A record without an outcome when its owner is gone is a suspect: it runs exclusively. A suspect whose process died twice
while it ran exclusively, without any progress, is quarantined. An owner that leaves cleanly removes its marks, so
preemption quarantines no record; neither do marks that a living process finds of itself.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from enum import StrEnum

MOST_DEATHS = 2  # while it ran exclusively: then a record is not run any more
MOST_LATE = 5  # deaths after its isolation was relaxed: another record may have been the cause
MOST_MARKS = 500  # a process has as many as workers; more were not written by one of ours


class StartMode(StrEnum):
    """Mode in which a record with a mark was run; the values are what commits carry."""

    NOT_STARTED = "n"  # a suspect that this owner has not started
    SHARED = "b"  # others ran at the same time
    EXCLUSIVE = "a"
    RELAXED = "l"  # exclusive for long, so that others may run beside it


@dataclass(frozen=True, slots=True)
class StartMark:
    """Mark of one record; `deaths` counts processes that died while it ran exclusively, `late` those that died after that was relaxed."""

    offset: int
    mode: StartMode
    deaths: int = 0
    late: int = 0

    def encode(self, base: int) -> str:
        """The mark as text, without `late` where it is 0."""
        return f"{self.offset - base}{self.mode}{self.deaths}{self.late or ''}"


@dataclass(frozen=True, slots=True)
class StartMarks:
    """All marks of a partition in the order of the starts; `owned`: the partition has an owner, or one that died.

    `owner` tells processes apart; empty when it is not known.
    """

    owned: bool = False
    begun: tuple[StartMark, ...] = ()
    owner: str = ""

    def __bool__(self) -> bool:
        return self.owned or bool(self.begun)

    def encode(self, base: int) -> str:
        """The marks as text, offsets relative to `base`; empty without marks and owner."""
        if not self:
            return ""
        owner = OWNER + self.owner if self.owner else ""
        return ("o" if self.owned else "-") + ",".join(mark.encode(base) for mark in self.begun) + owner


NO_MARKS = StartMarks()
OWNER = "@"  # before the name of the owner
_MARK = re.compile(r"(\d{1,9})([nbal])(\d)(\d?)")
_OWNER = re.compile(r"[0-9a-z]{0,16}")


def decode(base: int, text: str) -> StartMarks:
    """The marks that `encode` wrote; none for any other text, never an error."""
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
    """History of a suspect; `place` in the order of the starts, `relaxed`: it had run for long."""

    deaths: int
    late: int
    place: int
    relaxed: bool

    @classmethod
    def from_mark(cls, mark: StartMark, place: int, *, died: bool) -> "_Past":
        """The history from a mark; `died`: its process died, or else only lost the partition for a while."""
        exclusive, relaxed = mark.mode is StartMode.EXCLUSIVE, mark.mode is StartMode.RELAXED
        return cls(mark.deaths + (died and exclusive), min(9, mark.late + (died and relaxed)), place, relaxed)


class CrashSuspects:
    """Marks of one assignment of one partition."""

    def __init__(self, found: StartMarks = NO_MARKS, owner: str = "") -> None:
        """`found` are the marks of the owner before, `owner` the name of this one."""
        # an owner that died may have started more than it could commit: from now on a mark is committed before its start
        self.write_ahead = bool(found)
        died = not owner or owner != found.owner
        self._owner = owner
        self._suspects = {
            mark.offset: _Past.from_mark(mark, place, died=died) for place, mark in enumerate(found.begun)
        }
        self._running: dict[int, StartMode] = {}
        self._hanging: set[int] = set()

    def deaths(self, offset: int) -> int | None:
        """The number of processes that died while a suspect ran exclusively; None for a record that is no suspect."""
        past = self._suspects.get(offset)
        return None if past is None else past.deaths

    def quarantined(self, offset: int) -> bool:
        """Whether a record must not be run any more."""
        past = self._suspects.get(offset)
        return past is not None and (past.deaths >= MOST_DEATHS or past.late >= MOST_LATE)

    def suspicion(self, offset: int) -> tuple[bool, int, int]:
        """Sort key, greater for those to be run first: the record started last is the most likely cause, not one that ran for long."""
        past = self._suspects.get(offset)
        return (False, 0, -1) if past is None else (not past.relaxed, past.deaths, past.place)

    def begin(self, offset: int, *, exclusive: bool) -> None:
        """Note that a record is being run."""
        self._running[offset] = StartMode.EXCLUSIVE if exclusive else StartMode.SHARED

    def relax(self, offset: int) -> None:
        """Note that a record has run exclusively for so long that others may start beside it; nothing where it has ended."""
        if offset in self._running:
            self._running[offset] = StartMode.RELAXED

    def hang(self, offset: int) -> None:
        """Note that a record hangs, so its process must end. For a suspect that always counts as a death.

        Any other record becomes a suspect: it may only have waited for what another one hangs in.
        """
        if offset in self._running:
            self._running[offset] = StartMode.EXCLUSIVE if offset in self._suspects else StartMode.SHARED
            self._hanging.add(offset)

    def abandon(self, offset: int) -> None:
        """Note that a record was not run to its end, and no process died."""
        self._running.pop(offset, None)
        self._hanging.discard(offset)

    def advanced(self, offset: int) -> bool:
        """Note that work on a record was kept and is not repeated: what killed it before is behind it, and it counts as new.

        So a long recording ends on machines that are taken away without notice, and one that kills at a certain place is
        found when it comes to it. Returns whether its mark has changed.
        """
        if offset not in self._suspects:
            return False
        self._hanging.discard(offset)
        past = self._suspects[offset]
        self._suspects[offset] = _Past(0, 0, past.place, past.relaxed)
        self._running[offset] = StartMode.SHARED
        return True

    def finish(self, offsets: Iterable[int]) -> None:
        """Note that these records have an outcome that is committed."""
        for offset in offsets:
            self._running.pop(offset, None)
            self._hanging.discard(offset)
            self._suspects.pop(offset, None)

    def marks(self, finishing: Collection[int] = (), *, leaving: bool = False) -> StartMarks:
        """Marks to commit beside the outcomes of `finishing`; `leaving`: in good order, so only what hangs counts as started."""
        running = {o: mode for o, mode in tuple(self._running.items()) if not leaving or o in self._hanging}
        waiting = [offset for offset in tuple(self._suspects) if offset not in running]
        started = {**dict.fromkeys(waiting, StartMode.NOT_STARTED), **running}
        suspects = dict(self._suspects)
        marks = (
            _mark(offset, mode, suspects.get(offset)) for offset, mode in started.items() if offset not in finishing
        )
        return StartMarks(not leaving, tuple(marks), "" if leaving else self._owner)


def _mark(offset: int, mode: StartMode, past: _Past | None) -> StartMark:
    return StartMark(offset, mode) if past is None else StartMark(offset, mode, past.deaths, past.late)
