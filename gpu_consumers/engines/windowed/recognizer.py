"""The Recognizer protocol: a speech model that processes batches of windows, without knowledge of recordings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from gpu_consumers.audio.samples import Samples
from gpu_consumers.engines.protocols import TranscriptionOptions
from schemas.transcript import Word

DETECTION_WINDOWS = 3
"""Windows whose audio together is the most in which a language is detected."""

RankedLanguages = Sequence[tuple[str, float]]
"""Languages (ISO 639 codes) with their probabilities: the detected one, then the others."""


class DeviceOutOfMemory(Exception):
    """The device has no memory for a batch; a smaller one may fit."""


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """Hypothesis of a model for one window: its words, and signs of their reliability."""

    words: tuple[Word, ...] = ()
    """In order; times in seconds from the start of the window, texts with their blanks, as the model writes them."""
    logprob: float = 0.0  # mean log-probability of a token
    compression: float = 0.0  # bytes of the text for each byte of it compressed: high where it repeats itself
    no_speech: float = 0.0  # probability
    cut_off: bool = False  # whether the text ended for its length
    languages: RankedLanguages = ()  # of the window; empty where they were not asked for


class Recognizer(Protocol):
    """A loaded speech model; may be used from several threads."""

    window_seconds: int
    """The longest window that it hears."""

    def recognize(
        self, windows: Sequence[Samples], options: TranscriptionOptions, *, rank_languages: bool
    ) -> Sequence[Hypothesis]:
        """One hypothesis for each of the windows ([n] samples each), computed in one batch.

        `options` name the language, and hold no more hotwords and prompt than the model takes. `rank_languages`: each
        hypothesis says which language the window is in. Raises DeviceOutOfMemory.
        """

    def detect_language(self, audio: Samples) -> RankedLanguages:
        """The language of `audio` [n], of at most DETECTION_WINDOWS windows' length; raises DeviceOutOfMemory.

        Asked only of models that know several.
        """

    def count_tokens(self, text: str) -> int:
        """The number of tokens that a text takes in a prompt."""
