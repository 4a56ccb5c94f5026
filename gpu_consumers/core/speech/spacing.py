"""Spacing of words: model output with its blanks becomes whole words of a transcript, and no blank is guessed.

Whisper's tokens tell where a blank stands: " open", "-source". What follows without one is the same word, except in scripts
that put none between words.
"""

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache

from schemas.transcript import Word

MOST_REPEATED = 8  # words that are looked at
PASSAGE = "\n"
"""Stands before the first word of what a model said in one go, if no blank does."""

# the beginnings of the names that Unicode gives to characters of scripts without blanks between words
_UNSPACED_NAMES = (
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HALFWIDTH KATAKANA",
    "IDEOGRAPHIC",
    "FULLWIDTH",
    "BOPOMOFO",
    "THAI",
    "LAO",
    "MYANMAR",
    "KHMER",
    "TIBETAN",
)


@lru_cache(4096)
def is_unspaced(character: str) -> bool:
    """Whether a character belongs to a script that puts no blanks between words."""
    return unicodedata.name(character, "").startswith(_UNSPACED_NAMES)


def tidy(words: Iterable[Word], duration: float) -> tuple[Word, ...]:
    """Words in order, within the recording, times in milliseconds, blanks as `space_before`; empty ones are dropped.

    `duration` in seconds. A word without a blank before it is glued to the one before.
    """
    tidied: list[Word] = []
    for word in words:
        # half a character, which the model left open at the end of a window
        whole = word.text.replace("\ufffd", "")
        if not (text := whole.strip()):
            continue
        before = tidied[-1] if tidied else None
        timed = _timed(replace(word, text=text), before.start if before else 0.0, duration)
        if before is None:
            tidied.append(replace(timed, space_before=True))
        elif _is_glued(before.text, whole):
            tidied[-1] = _glued(before, timed)
        else:
            tidied.append(replace(timed, space_before=_has_blank(before.text, whole)))
    return tuple(tidied)


def opening(words: Sequence[Word]) -> list[Word]:
    """Words of one decoding pass, marked so that the first one is not joined to the words before."""
    if not words or words[0].text[:1].isspace():
        return list(words)
    return [replace(words[0], text=PASSAGE + words[0].text), *words[1:]]


def inserted(words: Sequence[Word], more: Sequence[Word]) -> list[Word]:
    """Words of a model with words of another pass inserted by time; neither are joined to the others."""
    added = set(map(id, more))
    merged = sorted([*words, *more], key=lambda word: word.start)
    found: list[Word] = []
    for before, word in zip([None, *merged], merged, strict=False):
        parted = before is not None and (id(before) in added) != (id(word) in added)
        opens = parted and not word.text[:1].isspace()
        found.append(replace(word, text=PASSAGE + word.text) if opens else word)
    return found


def unrepeated(words: Sequence[Word], more: Sequence[Word]) -> list[Word]:
    """The words of `more` without repetitions of neighbouring words, which were said once with too short a time.

    Both in order of their start.
    """
    if not more:
        return []
    before = [word for word in words if word.start < more[0].start][-MOST_REPEATED:]
    after = [word for word in words if word.start >= more[-1].end][:MOST_REPEATED]
    kept = list(more)
    for count in range(min(len(before), len(kept)), 0, -1):
        if _bare(before[-count:]) == _bare(kept[:count]):
            kept = kept[count:]
            break
    for count in range(min(len(after), len(kept)), 0, -1):
        if _bare(after[:count]) == _bare(kept[-count:]):
            kept = kept[:-count]
            break
    return kept


def _bare(words: Sequence[Word]) -> list[str]:
    return ["".join(filter(str.isalnum, word.text)).casefold() for word in words]


def _is_glued(before: str, whole: str) -> bool:
    if unicodedata.category(whole[0]).startswith("M"):  # a vowel sign or tone mark of the letter before it
        return True
    return not (whole[0].isspace() or is_unspaced(before[-1]) or is_unspaced(whole[0]))


def _has_blank(before: str, whole: str) -> bool:
    if whole.startswith(PASSAGE):
        return not (is_unspaced(before[-1]) and is_unspaced(whole.lstrip()[0]))
    return whole[0].isspace()


def _glued(word: Word, rest: Word) -> Word:
    """One word joined of two parts, with the lower of their probabilities."""
    known = [part.probability for part in (word, rest) if part.probability is not None]
    return replace(
        word, text=word.text + rest.text, end=max(word.end, rest.end), probability=min(known) if known else None
    )


def _timed(word: Word, earliest: float, duration: float) -> Word:
    start = round(min(max(word.start, earliest), duration), 3)
    end = round(min(max(word.end, start), duration), 3)
    probability = None if word.probability is None else round(min(max(word.probability, 0.0), 1.0), 4)
    return replace(word, start=start, end=max(start, end), probability=probability)
