"""Plausibility of a window's text: by the language heard in it and by Whisper's own signs of failure. Pure."""

from dataclasses import dataclass
from enum import Enum

SURE = 0.8  # probability from which another language than the expected one is believed
REPEATING = 2.4  # how far text can be compressed: beyond that it says the same again and again
UNLIKELY = -1.0  # mean log-probability of a text that was guessed
DOUBTFUL = -0.5  # of one that may have been
SILENT = 0.6  # probability of no speech from which a text that was guessed is none


@dataclass(frozen=True, slots=True)
class WindowSigns:
    """Signs of a window's reliability; `language` is that of the audio, None where it was not detected."""

    language: str | None
    probability: float
    logprob: float
    compression: float

    @property
    def failed(self) -> bool:
        """Whether Whisper itself would reject the text."""
        return self.compression > REPEATING or self.logprob < UNLIKELY


class WindowVerdict(Enum):
    """Verdict on the text of a window."""

    KEEP = "keep"
    OTHER_LANGUAGE = "hear it in the language in which it is spoken"
    PARTS = "hear it in parts, each by itself"


def is_silent(no_speech: float, logprob: float) -> bool:
    """Whether a window holds no speech, by Whisper's own rule, whatever text there is."""
    return no_speech > SILENT and logprob < UNLIKELY


def verdict(impression: WindowSigns, language: str | None, *, brief: bool) -> WindowVerdict:
    """The verdict on a window that was decoded in `language`; a `brief` one is too short to tell languages for certain.

    Forced to a language that is not spoken, a model translates or repeats itself, sometimes with every sign of
    certainty.
    """
    if impression.language not in (None, language) and impression.probability >= SURE:
        return WindowVerdict.KEEP if brief and impression.logprob > DOUBTFUL else WindowVerdict.OTHER_LANGUAGE
    unsure = impression.language is not None and impression.probability < SURE
    return WindowVerdict.PARTS if not brief and (unsure or impression.failed) else WindowVerdict.KEEP
