"""faster-whisper behind the Transcriber protocol: the only module that imports it and CTranslate2.

A recording is worked through in batches of windows of our own packing, so that memory is bounded, progress is true
and work can stop between two batches; each batch is one call of the library's BatchedInferencePipeline.
"""

import ctypes
import importlib.util
import math
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel
from faster_whisper.vad import VadOptions, get_speech_timestamps

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.core.speech.assembly import ChannelTranscript
from gpu_consumers.core.speech.checkpoints import Progressed, decode, encode, is_due, joined, spans
from gpu_consumers.core.speech.coverage import gaps, seconds_of
from gpu_consumers.core.speech.doubt import SURE, WindowSigns, WindowVerdict, verdict
from gpu_consumers.core.speech.prompting import fitting_end, fitting_start
from gpu_consumers.core.speech.spacing import PASSAGE, inserted, tidy, unrepeated
from gpu_consumers.core.speech.vad_windows import Region, Window, pack
from gpu_consumers.engines.protocols import Checkpoints, TranscriptionOptions
from schemas.errors import NotOwner, Transient
from schemas.events import ModelInfo, Task
from schemas.transcript import Word

TRANSLATED = "en"  # the one language that Whisper translates into
UNKNOWN = "und"  # BCP 47: no speech, so nobody can tell the language
VAD_PIECE = 240 * SAMPLE_RATE  # speech is looked for and heard in stretches of it, so that both can stop soon
SILENT_PROBABILITY, SILENT_LOGPROB = 0.6, -1.0  # Whisper's own rule for a window without speech
PROMPT_TOKENS = 110  # each of hotwords and prompt; a longer one would leave no room for the words
DETECTION_WINDOWS = 3
MOST_TOKENS = 224  # that Whisper says to one window: half of its context
QUIET_SAMPLES = SAMPLE_RATE // 5  # over which loudness is taken where a window is parted
SHORTEST_HALF = SAMPLE_RATE  # no window is halved below that
BRIEF = 0.2  # part of the longest window that is too little to tell a language, or a mistake
MOST_HEARINGS = 3  # of a window, its parts and theirs counted in
NO_PROMPT = "this model takes no hotwords and no prompt: they were ignored"


@dataclass(frozen=True, slots=True)
class Decoding:
    """How a model is used: windows and hypotheses at once, and the languages it may answer in (empty: all)."""

    batch_size: int = 8
    beam_size: int = 5
    languages: tuple[str, ...] = ()
    takes_prompt: bool = True
    detects_language: bool = True
    hears_again: bool = True  # speech without words; not where the times of words are too rough to tell what that is


def cuda_devices() -> int:
    """GPUs that CTranslate2 can use."""
    return int(ctranslate2.get_cuda_device_count())


def load_transcriber(
    folder: Path, info: ModelInfo, decoding: Decoding, device: str, workers: int
) -> "WhisperTranscriber":
    """A model from a folder, for so many threads at once; `info.compute_type` is what to ask for."""
    if device == "cuda":
        _preload_cublas()
    model = WhisperModel(
        str(folder),
        device=device,
        compute_type=info.compute_type,
        num_workers=workers,
        cpu_threads=max(1, (os.cpu_count() or 1) // workers),
    )
    loaded = ModelInfo(name=info.name, digest=info.digest, compute_type=str(model.model.compute_type))
    return WhisperTranscriber(model, loaded, decoding, whole_batches=device == "cuda")


def _preload_cublas() -> None:
    """CTranslate2 opens libcublas.so.12 by name, and torch brings only version 13: load ours before it looks."""
    spec = importlib.util.find_spec("nvidia.cublas")
    for folder in spec.submodule_search_locations or () if spec else ():
        for name in ("libcublasLt.so.12", "libcublas.so.12"):
            if (path := Path(folder) / "lib" / name).is_file():
                ctypes.CDLL(str(path), mode=ctypes.RTLD_GLOBAL)


class WhisperTranscriber:
    """See engine.Transcriber; the model is shared by all threads, each call has a pipeline of its own."""

    def __init__(
        self, model: WhisperModel, info: ModelInfo, decoding: Decoding, *, whole_batches: bool = False
    ) -> None:
        """`whole_batches`: a batch takes a moment whatever is in it, so it may be done again as a whole."""
        self.info = info
        self._whole_batches = whole_batches
        self._model = model
        self._decoding = decoding
        self._window = int(model.feature_extractor.chunk_length) * SAMPLE_RATE

    def warm_up(self) -> None:
        """Run every kernel once on noise; raises whatever is wrong with the device."""
        noise = np.random.default_rng(0).normal(0, 0.01, SAMPLE_RATE).astype(np.float32)
        language = (self._decoding.languages or ("en",))[0]
        self._run(noise, (Window((Region(0, len(noise)),)),), TranscriptionOptions(language=language))

    def transcribe(
        self, samples: Samples, wishes: TranscriptionOptions, progress: Progress, checkpoints: Checkpoints | None = None
    ) -> ChannelTranscript:
        """See engine.Transcriber."""
        progress(0.0)
        wishes, warnings = self._possible(wishes)
        before = joined(checkpoints.find(decode) if checkpoints is not None else [])
        limit = checkpoints.seconds if checkpoints is not None else math.inf
        known = _Language(wishes.language or before.language, before.probability)
        limit = math.inf if self._whole_batches else limit
        work = _Work(samples, progress, checkpoints, self._decoding.batch_size, limit)
        work.speech, work.uncovered, work.asks = before.speech, before.uncovered, wishes.language is None
        words = list(before.words)
        for windows, start in self._pieces(samples, before, work):
            if windows and known.name is None:
                known = _Language(*self._detect(samples, windows))
            wished = replace(wishes, language=known.name)
            words += self._words(windows, start, wished, known, work)
            if not windows:
                work.reached((), (), known, (), start)
        progress(work.seconds)
        if words and wishes.language is not None:
            warnings += self._other_language(samples, work.first, wishes.language)
        said = tidy(words, work.seconds)
        if said and wishes.task is Task.TRANSLATE:
            known = _Language(TRANSLATED, None)
        return ChannelTranscript(
            known.name or UNKNOWN,
            known.probability,
            said,
            warnings,
            speech=round(work.speech, 3),
            uncovered=round(work.uncovered, 3),
        )

    def _other_language(self, samples: Samples, window: Window | None, named: str) -> tuple[str, ...]:
        """A warning when the recording begins in another language than the one that was named."""
        if window is None or not self._may_detect:
            return ()
        heard, probability = self._detect(samples, (window,))
        if heard == named or probability < SURE:
            return ()
        return (f"the recording seems to be in '{heard}', not in '{named}'",)

    def _pieces(self, samples: Samples, before: Progressed, work: "_Work") -> Iterator[tuple[tuple[Window, ...], int]]:
        """The windows of one stretch after the other, and the sample at which the next one begins."""
        if before.windows:
            yield before.pending, before.start
        start = before.start
        while start < len(samples):
            regions, start = self._speech(samples, start)
            yield pack(regions, self._window), start
            work.look(start)

    def _speech(self, samples: Samples, start: int) -> tuple[list[Region], int]:
        """Where somebody speaks from `start` on, and how far that was looked for.

        A stretch of speech that touches the end of a piece is heard again in the next one.
        """
        options = VadOptions(max_speech_duration_s=self._window / SAMPLE_RATE, min_silence_duration_ms=160)
        piece = np.ascontiguousarray(samples[start : start + VAD_PIECE])
        found = [Region(item["start"], item["end"]) for item in get_speech_timestamps(piece, options)]
        end = start + len(piece)
        if end < len(samples) and found and found[-1].end >= len(piece) and found[-1].start > 0:
            end = start + found.pop().start
        return [Region(start + region.start, start + region.end) for region in found], end

    def _possible(self, wishes: TranscriptionOptions) -> tuple[TranscriptionOptions, tuple[str, ...]]:
        if self._decoding.takes_prompt:
            hotwords = fitting_start(wishes.hotwords or "", PROMPT_TOKENS, self._tokens)
            prompt = fitting_end(wishes.prompt or "", PROMPT_TOKENS, self._tokens)  # as Whisper does: its end counts
            cut = (*hotwords.warnings("hotwords"), *prompt.warnings("prompt"))
            return TranscriptionOptions(wishes.language, wishes.task, hotwords.text or None, prompt.text or None), cut
        ignored = (NO_PROMPT,) if wishes.hotwords or wishes.prompt else ()
        return TranscriptionOptions(wishes.language, wishes.task), ignored

    def _tokens(self, text: str) -> int:
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)

    def _detect(self, samples: Samples, windows: Sequence[Window]) -> tuple[str, float]:
        heard = np.concatenate([_audio(samples, window) for window in windows[:DETECTION_WINDOWS]])
        language, probability, ranked = self._model.detect_language(
            heard, language_detection_segments=DETECTION_WINDOWS
        )
        return self._allowed([(language, probability), *ranked])

    def _allowed(self, ranked: Sequence[tuple[str, float]]) -> tuple[str, float]:
        """The most likely language, the first one, unless the model may not answer in it."""
        allowed = self._decoding.languages
        if not allowed or ranked[0][0] in allowed:
            return str(ranked[0][0]), float(ranked[0][1])
        among = (item for item in ranked if item[0] in allowed)
        language, probability = max(among, key=lambda item: item[1], default=(allowed[0], 0.0))
        return str(language), float(probability)

    def _words(
        self, windows: Sequence[Window], start: int, wishes: TranscriptionOptions, language: "_Language", work: "_Work"
    ) -> Iterator[Word]:
        done = 0
        while done < len(windows):
            batch = work.batch(windows[done:])
            work.look(batch[0].regions[0].start)
            try:
                words = self._heard(work.samples, batch, wishes, asks=work.asks)
                words, missing = self._completed(work.samples, batch, words, wishes)
                words = [replace(word, language=None) if word.language == language.name else word for word in words]
            except RuntimeError as error:
                if "out of memory" not in str(error):
                    raise
                if len(batch) == 1:
                    raise Transient(f"the device has no memory for one window: {error}") from error
                work.size = len(batch) // 2
                continue
            done += len(batch)
            yield from words
            work.covered(batch, missing)
            work.reached(batch, words, language, windows[done:], start)

    def _completed(
        self, samples: Samples, batch: Sequence[Window], words: list[Word], wishes: TranscriptionOptions
    ) -> tuple[list[Word], float]:
        """The words with those of speech that none of them covers, heard once more by itself; and the seconds without any.

        A model that hears two voices in turn, or another language, in one window may pass over whole sentences.
        """
        regions = [region for window in batch for region in window.regions]
        found = gaps(regions, words, SAMPLE_RATE) if self._decoding.hears_again else ()
        for language, windows in self._by_language(samples, pack(found, self._window, apart=True), wishes).items():
            # what was said before is no context here, and a prompt would be heard where nothing is
            more = self._heard(samples, windows, TranscriptionOptions(language=language, task=wishes.task))
            words = inserted(words, unrepeated(words, more))
        return words, seconds_of(gaps(regions, words, SAMPLE_RATE), SAMPLE_RATE)

    def _by_language(
        self, samples: Samples, windows: Sequence[Window], wishes: TranscriptionOptions
    ) -> dict[str | None, list[Window]]:
        """The windows by what is spoken in each: the language of the recording where another one is not sure."""
        grouped: dict[str | None, list[Window]] = {}
        for window in windows:
            language = wishes.language
            if self._may_detect:
                heard, probability = self._detect(samples, (window,))
                language = heard if probability >= SURE else language
            grouped.setdefault(language, []).append(window)
        return grouped

    @property
    def _may_detect(self) -> bool:
        return self._decoding.detects_language and len(self._decoding.languages) != 1

    def _heard(
        self,
        samples: Samples,
        windows: Sequence[Window],
        wishes: TranscriptionOptions,
        *,
        asks: bool = False,
        hearing: int = 1,
    ) -> list[Word]:
        """The words of windows, in order; those whose text is not believed are heard otherwise, a few times at most.

        `asks`: the language of the wishes is that of most, and a window may be in another one.
        """
        words: list[Word] = []
        for window, found in zip(windows, self._run(samples, windows, wishes, asks=asks), strict=True):
            judged = self._judged(window, found, wishes, hearing)
            if judged is WindowVerdict.KEEP:
                words += found.words
            elif judged is WindowVerdict.OTHER_LANGUAGE:
                other = replace(wishes, language=found.impression.language)
                words += self._heard(samples, [window], other, asks=asks, hearing=hearing + 1)
            else:
                words += self._in_parts(samples, window, wishes, asks=asks, hearing=hearing + 1)
        return words

    def _judged(self, window: Window, found: "_Found", wishes: TranscriptionOptions, hearing: int) -> WindowVerdict:
        if found.cut_off and window.length > 2 * SHORTEST_HALF:
            return WindowVerdict.PARTS
        if not self._decoding.hears_again or hearing > MOST_HEARINGS:
            return WindowVerdict.KEEP
        return verdict(found.impression, wishes.language, brief=window.length < BRIEF * self._window)

    def _in_parts(
        self, samples: Samples, window: Window, wishes: TranscriptionOptions, *, asks: bool, hearing: int
    ) -> list[Word]:
        """The words of a window in halves, each in its own language if it may be another one."""
        halves = _halves(window, samples)
        parts = self._by_language(samples, halves, wishes) if asks else {wishes.language: list(halves)}
        words: list[Word] = []
        for language, windows in parts.items():
            words += self._heard(samples, windows, replace(wishes, language=language), asks=asks, hearing=hearing)
        return sorted(words, key=lambda word: word.start)

    def _run(
        self, samples: Samples, windows: Sequence[Window], wishes: TranscriptionOptions, *, asks: bool = False
    ) -> "list[_Found]":
        block = _Block.of(samples, windows)
        listens = asks and self._may_detect and self._decoding.hears_again
        model = _Listening(self._model) if listens else self._model
        # the library keeps state on the pipeline: one of our own for every call
        segments, _ = BatchedInferencePipeline(model).transcribe(
            block.audio,
            language=wishes.language,
            task=wishes.task.value,
            clip_timestamps=block.clips,
            batch_size=len(windows),
            beam_size=self._decoding.beam_size,
            hotwords=wishes.hotwords,
            initial_prompt=wishes.prompt,
            word_timestamps=True,
        )
        found = [_Found() for _ in windows]
        for segment in segments:
            offset = segment.seek // 100  # frames of 10 ms; every window begins at a full second
            place = block.place(offset)
            found[place].tokens += len(segment.tokens)
            found[place].logprob, found[place].compression = segment.avg_logprob, segment.compression_ratio
            if segment.no_speech_prob > SILENT_PROBABILITY and segment.avg_logprob < SILENT_LOGPROB:
                continue
            for number, word in enumerate(segment.words or ()):
                said = block.word(word, offset, wishes.language if wishes.task is Task.TRANSCRIBE else None)
                begins = number == 0 and not said.text[:1].isspace()
                found[place].words.append(replace(said, text=PASSAGE + said.text) if begins else said)
        if isinstance(model, _Listening):
            for item, ranked in zip(found, model.ranked, strict=True):
                item.language, item.probability = self._allowed(ranked)
        return found


class _Listening:
    """The model of a pipeline, which also tells how likely each language is in every window that it encodes."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self.ranked: list[list[tuple[str, float]]] = []

    def encode(self, features: Any) -> Any:
        """As the model does; a look at languages costs next to nothing here, and a second encoding elsewhere."""
        encoded = self._model.encode(features)
        for ranked in self._model.model.detect_language(encoded):
            self.ranked.append([(token.strip("<|>"), probability) for token, probability in ranked])
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)


@dataclass(slots=True)
class _Found:
    """What the model said to one window."""

    words: list[Word] = field(default_factory=list)
    tokens: int = 0
    logprob: float = 0.0
    compression: float = 0.0
    language: str | None = None  # in which the window is spoken; None where nobody asked
    probability: float = 0.0

    @property
    def impression(self) -> WindowSigns:
        """How the window sounds."""
        silent = not self.words  # and was passed over, or has no text that could be doubted
        return WindowSigns(
            self.language, self.probability, 0.0 if silent else self.logprob, 0.0 if silent else self.compression
        )

    @property
    def cut_off(self) -> bool:
        """Whether the text ended for its length."""
        return self.tokens >= MOST_TOKENS


@dataclass(frozen=True, slots=True)
class _Language:
    """What is spoken, None while nobody knows; `probability` where it was detected."""

    name: str | None
    probability: float | None


@dataclass(slots=True)
class _Work:
    """One recording on its way: what comes next, and what is to be kept of what is done."""

    samples: Samples
    progress: Progress
    checkpoints: Checkpoints | None
    size: int  # windows in a batch
    limit: float  # seconds of audio in a batch of more than one window
    asks: bool = False  # whether nobody named the language
    first: Window | None = None  # that was heard
    speech: float = 0.0  # seconds
    uncovered: float = 0.0  # seconds of it that no word covers
    _done: Progressed | None = None  # and not kept yet
    _since: float = 0.0
    _words: list[Word] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Of the whole recording."""
        return len(self.samples) / SAMPLE_RATE

    def look(self, sample: int) -> None:
        """Whether to go on, which is the only moment to stop; whoever goes on then finds all that is done."""
        try:
            self.progress(sample / SAMPLE_RATE)
        except NotOwner:
            self._keep()
            raise

    def batch(self, windows: Sequence[Window]) -> Sequence[Window]:
        """Those that come next, of no more audio than may be done again."""
        batch = windows[: self.size]
        while len(batch) > 1 and _seconds(batch) > self.limit:
            batch = batch[:-1]
        return batch

    def covered(self, batch: Sequence[Window], missing: float) -> None:
        """A batch was heard, but for so many seconds of it."""
        self.first = self.first or batch[0]
        self.speech += _seconds(batch)
        self.uncovered += missing

    def reached(
        self, batch: Sequence[Window], words: Sequence[Word], language: _Language, pending: Sequence[Window], start: int
    ) -> None:
        """A batch is done: keep that, if the next one would make it too much to do again."""
        if self.checkpoints is None:
            return
        self._since += _seconds(batch)
        self._words += words
        self._done = Progressed(
            language=language.name,
            probability=language.probability,
            start=start,
            windows=spans(pending),
            speech=self.speech,
            uncovered=self.uncovered,
        )
        if is_due(self._since, _seconds(self.batch(pending)), self.checkpoints.every) or not pending:
            self._keep()

    def _keep(self) -> None:
        if self.checkpoints is None or self._done is None:
            return
        self.checkpoints.keep(encode(replace(self._done, words=tuple(self._words))))
        self._done, self._since, self._words = None, 0.0, []


def _seconds(windows: Sequence[Window]) -> float:
    return sum(window.length for window in windows) / SAMPLE_RATE


@dataclass(frozen=True)
class _Block:
    """The windows of one batch in one array, each at a full second, so that its place is exact in any unit."""

    audio: Samples
    clips: list[dict[str, float]]
    windows: dict[int, Window] = field(repr=False)  # by the second at which each begins, in order

    def place(self, offset: int) -> int:
        """Which of the windows begins at a second."""
        return list(self.windows).index(offset)

    @classmethod
    def of(cls, samples: Samples, windows: Sequence[Window]) -> "_Block":
        """Copies what is spoken and nothing else."""
        parts, clips, placed, second = [], [], {}, 0
        for window in windows:
            spoken = _audio(samples, window)
            seconds = -(-len(spoken) // SAMPLE_RATE)
            parts.append(np.pad(spoken, (0, seconds * SAMPLE_RATE - len(spoken))))
            clips.append({"start": float(second), "end": second + len(spoken) / SAMPLE_RATE})
            placed[second] = window
            second += seconds
        return cls(np.concatenate(parts), clips, placed)

    def word(self, word: Any, offset: int, language: str | None) -> Word:
        """A word of the library as one of ours, in a language, at its time in the recording."""
        start, end = self.windows[offset].restore(float(word.start) - offset, float(word.end) - offset, SAMPLE_RATE)
        return Word(start=start, end=end, text=str(word.word), probability=float(word.probability), language=language)


def _halves(window: Window, samples: Samples) -> tuple[Window, Window]:
    """The window in two of about the same length, parted at a pause, else where the least is heard."""
    at = window.pause
    if at is None:
        sound, quarter = _audio(samples, window), window.length // 4
        loudness = np.convolve(sound[quarter:-quarter] ** 2, np.ones(QUIET_SAMPLES), mode="same")
        at = quarter + int(np.argmin(loudness))
    return window.split(at)


def _audio(samples: Samples, window: Window) -> Samples:
    return np.concatenate([samples[region.start : region.end] for region in window.regions])
