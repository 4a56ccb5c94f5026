"""Decoding settings of a model: batches, beams, its languages, and whether doubtful text is decoded again."""

from dataclasses import dataclass

from gpu_consumers.engines.windowed.recognizer import RankedLanguages
from schemas.models.registry import ModelEntry

BATCH_SIZES = {"cuda": 16, "cpu": 8}  # windows at once


@dataclass(frozen=True, slots=True)
class Decoding:
    """Settings of one model: windows and hypotheses per batch, and its permitted languages (empty: all)."""

    batch_size: int = 8
    beam_size: int = 5
    languages: tuple[str, ...] = ()
    takes_prompt: bool = True
    detects_language: bool = True
    redecodes: bool = True  # speech without words; not where the times of words are too rough to tell what that is

    @property
    def may_detect(self) -> bool:
        """Whether the model supports language detection and knows more than one language."""
        return self.detects_language and len(self.languages) != 1

    def allowed(self, ranked: RankedLanguages) -> tuple[str, float]:
        """The detected language, or the most likely permitted one if that is not permitted."""
        if not self.languages or ranked[0][0] in self.languages:
            return str(ranked[0][0]), float(ranked[0][1])
        among = (item for item in ranked if item[0] in self.languages)
        language, probability = max(among, key=lambda item: item[1], default=(self.languages[0], 0.0))
        return str(language), float(probability)


def decoding_for(entry: ModelEntry, device: str) -> Decoding:
    """The settings for a registry entry on `cuda` or `cpu`."""
    return Decoding(
        batch_size=BATCH_SIZES[device],
        languages=entry.languages,
        takes_prompt=not entry.stand_in,
        detects_language=entry.detects_language,
        redecodes=not entry.stand_in,
    )
