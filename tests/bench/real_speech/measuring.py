"""One recording through the product and through the stock libraries, scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines.loader import folder_of
from producers.transcripts.subtitles import cues
from schemas.events import Options
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.settings.gpu import ModelSettings
from schemas.transcript import Transcript, Word
from tests.bench.real_speech.cue_scores import CueLimits, cue_limits
from tests.bench.real_speech.listening import Duration, overheard
from tests.bench.real_speech.product import Product, decoded, engines_of
from tests.bench.real_speech.references import Recording, Spoken
from tests.bench.real_speech.speaker_scores import (
    DiarizationErrors,
    RightSpeakers,
    attributed,
    diarization_errors,
    right_speakers,
    spans_of,
    words_of,
)
from tests.bench.real_speech.stock import StockPyannote, StockWhisper, Text
from tests.bench.real_speech.word_scores import Fidelity, WordErrors, fidelity, word_errors

HEARERS = ("product", "once", "sequential", "batched")


@dataclass(frozen=True, slots=True)
class HeardBy:
    """What one of HEARERS heard; `errors` is None where no reference says what was said."""

    text: str
    errors: WordErrors | None
    duration: Duration


@dataclass(frozen=True, slots=True)
class FoundSpeakers:
    """What one of the two found: how many speakers, their turns and who says each word against the reference."""

    count: int
    errors: DiarizationErrors
    words: RightSpeakers


@dataclass(frozen=True, slots=True)
class Speakers:
    """Who speaks: how many, as the product and as stock pyannote find them; stock's words are those of sequential."""

    true: int
    product: FoundSpeakers
    stock: FoundSpeakers
    stock_duration: Duration


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One recording; `whole`: both stages with fetching and decoding."""

    name: str
    seconds: float
    language: str
    heard: Mapping[str, HeardBy]
    speech: float
    uncovered: float
    fidelity: Fidelity
    cues: CueLimits
    diarizing: Duration
    whole: Duration
    warnings: tuple[str, ...] = ()
    speakers: Speakers | None = None

    @property
    def invented(self) -> int:
        """Words that the product heard where nobody speaks."""
        errors = self.heard["product"].errors
        return errors.inserted if errors is not None and not errors.words else 0

    @property
    def needs_no_second_hearing(self) -> bool:
        """Whether it brought nothing."""
        return self.heard["product"].text.split() == self.heard["once"].text.split()


@dataclass(slots=True)
class SpeechHarness:
    """Everything loaded and tried out, so that no recording pays for that."""

    registry: ModelRegistry
    model: ModelEntry
    device: str
    diarizes: bool
    folder: Path
    product: Product = field(init=False)
    whisper: StockWhisper = field(init=False)
    pyannote: StockPyannote | None = field(init=False)

    def __post_init__(self) -> None:
        engines, cache = engines_of(self.registry, self.device), ModelSettings().models_cache
        engines.transcriber(self.model.name)
        self.product = Product(self.registry, engines, self.folder / "cache")
        self.whisper = StockWhisper(self.model, folder_of(self.model, cache), self.device)
        self.pyannote = None
        if self.diarizes:
            engines.diarizer()
            self.pyannote = StockPyannote(folder_of(self.registry.models[self.registry.diarizer], cache), self.device)

    def measure(self, recording: Recording) -> Measured:
        """One recording; nothing else should be at work on the machine."""
        truth, language = recording.reference.turns, self._language_to_name(recording)
        diarizes = self.pyannote is not None and bool(truth)
        with overheard() as every:
            done = self.product.transcribe(
                recording.path, Options(model=self.model.name, language=language, diarize=diarizes)
            )
        samples, seconds = decoded(recording.path, self.folder)
        with overheard() as first:
            once = self.whisper.once(samples, language)
        texts = {
            "product": Text(" ".join(segment.text for segment in done.transcript.segments), done.transcribing),
            "once": once,
            "sequential": self.whisper.sequential(samples, language),
            "batched": self.whisper.batched(samples, language),
        }
        return Measured(
            name=recording.name,
            seconds=seconds,
            language=done.transcript.language,
            heard={name: _scored(text, recording) for name, text in texts.items()},
            speech=done.transcript.speech or 0.0,
            uncovered=done.transcript.uncovered or 0.0,
            fidelity=fidelity(done.transcript, first, every),
            cues=cue_limits(cues(done.transcript)),
            diarizing=done.diarizing,
            whole=done.whole,
            warnings=done.transcript.warnings,
            speakers=_speakers(truth, done.transcript, texts["sequential"].words, self.pyannote, samples)
            if self.pyannote and diarizes
            else None,
        )

    def knows(self, recording: Recording) -> bool:
        """Whether the model can be asked to hear it."""
        known = self.model.languages
        return not known or recording.reference.language in (*known, None)

    def _language_to_name(self, recording: Recording) -> str | None:
        """The language that has to be named, for a model that does not find out."""
        if self.model.default_language is None and not self.model.detects_language:
            return recording.reference.language or self.model.languages[0]
        return self.model.default_language


def _scored(text: Text, recording: Recording) -> HeardBy:
    wanted = recording.reference.text
    return HeardBy(text.text, None if wanted is None else word_errors(wanted, text.text), text.duration)


def _speakers(
    truth: Sequence[Spoken], made: Transcript, words: Sequence[Word], pyannote: StockPyannote, samples: Samples
) -> Speakers:
    turns, duration = pyannote.turns(samples)
    seconds = len(samples) / SAMPLE_RATE
    return Speakers(
        true=len({turn.speaker for turn in truth}),
        product=_found(truth, spans_of(made), words_of(made), seconds),
        stock=_found(truth, turns, attributed(words, turns), seconds),
        stock_duration=duration,
    )


def _found(truth: Sequence[Spoken], turns: Sequence[Turn], words: Sequence[Word], seconds: float) -> FoundSpeakers:
    return FoundSpeakers(
        len({turn.speaker for turn in turns}),
        diarization_errors(truth, turns, seconds),
        right_speakers(truth, turns, words),
    )
