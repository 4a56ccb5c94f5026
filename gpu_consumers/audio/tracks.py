"""Choice of the audio track to transcribe, and warnings about the others. Pure."""

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.errors import Permanent
from schemas.vocabulary.languages import same_code

MAX_TITLE_CHARS = 40
MAX_NAMED = 5
SPOKEN_SECONDS, SPOKEN_PART = 1.0, 0.02  # of sound: a track with less was recorded, but nobody spoke into it
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]{2,8})*")
_UNKNOWN = frozenset({"und", "mis", "mul", "zxx"})


@dataclass(frozen=True, slots=True)
class Track:
    """A decodable audio track; `number` counts the audio tracks of its file from 1, texts are untrusted."""

    number: int
    default: bool = False
    language: str = ""
    title: str = ""

    @property
    def description(self) -> str:
        """The track's number and properties as text, without unsafe characters."""
        language = self.language if _LANGUAGE.fullmatch(self.language) and self.language not in _UNKNOWN else ""
        title = _printable(self.title)
        known = ", ".join(filter(None, (language, f"'{title}'" if title else "")))
        return f"{self.number} ({known})" if known else f"{self.number}"


def in_order(tracks: Sequence[Track], wanted: str | None = None) -> tuple[Track, ...]:
    """The tracks in the order in which they are tried: those with the default flag first.

    `wanted`: the number of the only one that is, or the language of those that are. Raises Permanent(media_no_track) when
    there is none.
    """
    chosen = tracks if wanted is None else _chosen(tracks, wanted)
    if not chosen:
        verb = "is" if len(tracks) == 1 else "are"
        raise Permanent("media_no_track", f"{wanted}; there {verb} {len(tracks)} that can be decoded: {_named(tracks)}")
    return tuple(sorted(chosen, key=lambda track: (not track.default, track.number)))


def is_spoken(active: float, seconds: float) -> bool:
    """Whether a track of so many seconds, of which so many are louder than its noise, is more than a beep."""
    return active >= max(SPOKEN_SECONDS, SPOKEN_PART * seconds)


def _chosen(tracks: Sequence[Track], wanted: str) -> Sequence[Track]:
    if wanted.isdecimal():
        return [track for track in tracks if track.number == int(wanted)]
    # a tag with its country before others of the language
    exactly = [track for track in tracks if track.language == wanted.lower()]
    return exactly or [track for track in tracks if same_code(track.language) == same_code(wanted)]


def _named(tracks: Sequence[Track]) -> str:
    named = ", ".join(track.description for track in tracks[:MAX_NAMED])
    return f"{named} and {len(tracks) - MAX_NAMED} more" if len(tracks) > MAX_NAMED else named


def others_warning(tracks: Sequence[Track], heard: Track) -> tuple[str, ...]:
    """The warning for readers of the transcript about tracks that were not transcribed."""
    others = [track for track in tracks if track.number != heard.number]
    if not others:
        return ()
    plural = "tracks" if len(others) > 1 else "track"
    return (f"audio track {heard.description} was heard; not heard: {plural} {_named(others)}",)


def _printable(text: str) -> str:
    """A title on one line, without control and direction characters, cut to a length."""
    kept = "".join(" " if unicodedata.category(letter)[0] in "CZ" else letter for letter in text[:200])
    line = " ".join(kept.replace("'", "’").split())
    return line if len(line) <= MAX_TITLE_CHARS else f"{line[: MAX_TITLE_CHARS - 1]}…"
