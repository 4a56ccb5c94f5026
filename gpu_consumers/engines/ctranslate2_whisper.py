"""CTranslate2's own Whisper as an engine: log-mel spectrogram, tokens and word times without another library.

The spectrogram is that of Whisper's reference implementation (openai/whisper, `whisper/audio.py`), whose filter bank is
Slaney's (Auditory Toolbox, 1998): triangles of equal area, linear below 1 kHz and logarithmic above.
"""

import json
import zlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import ctranslate2
import numpy as np
import numpy.typing as npt
from tokenizers import Tokenizer

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.merge import QUOTES, SENTENCE_END
from gpu_consumers.core.speech.spacing import is_unspaced
from gpu_consumers.engines.libraries.ctranslate2_device import gpu_available, memory_errors, preload_cublas, threads_for
from gpu_consumers.engines.libraries.silero import detect_voice
from gpu_consumers.engines.protocols import TranscriptionOptions
from gpu_consumers.engines.registry import ModelSource
from gpu_consumers.engines.windowed.decoding import decoding_for
from gpu_consumers.engines.windowed.recognizer import Hypothesis, RankedLanguages
from gpu_consumers.engines.windowed.transcriber import WindowedTranscriber
from schemas.errors import Permanent
from schemas.events import ModelInfo
from schemas.transcript import Word

__all__ = ["CTranslate2Recognizer", "gpu_available", "load"]

FFT, HOP = 400, 160  # samples: 25 ms every 10 ms
WINDOW_SECONDS = 30  # of a model whose folder says nothing else
LONGEST_WORD = 1.0  # seconds: what the alignment gives it beyond is a pause, or speech that has no words
TOKEN_SECONDS = 0.02  # of one step of the decoder's attention
MOST_TOKENS = 224  # that Whisper says to one window: half of its context
LINEAR_HZ, LINEAR_MELS = 1000.0, 15.0  # up to which the mel scale is linear
OCTAVES = 27.0 / np.log(6.4)  # mels above that, for a frequency e times as high

Spectrum = npt.NDArray[np.float32]


def load(source: ModelSource) -> WindowedTranscriber:
    """See engines.registry.TranscriberEngine."""
    if source.device == "cuda":
        preload_cublas()
    model = ctranslate2.models.Whisper(
        str(source.folder),
        device=source.device,
        compute_type=source.entry.compute_type,
        inter_threads=source.workers,
        intra_threads=threads_for(source.workers),
    )
    decoding = decoding_for(source.entry, source.device)
    vocabulary = Vocabulary(Tokenizer.from_file(str(source.folder / "tokenizer.json")), model.is_multilingual)
    recognizer = CTranslate2Recognizer(model, vocabulary, window_seconds(source.folder), decoding.beam_size)
    info = ModelInfo(name=source.info.name, digest=source.digest, compute_type=str(model.compute_type))
    return WindowedTranscriber(recognizer, detect_voice, info, decoding, whole_batches=source.device == "cuda")


def window_seconds(folder: Path) -> int:
    """The length of the windows that the model of a folder was trained on."""
    config = folder / "preprocessor_config.json"
    return (
        int(json.loads(config.read_text()).get("chunk_length", WINDOW_SECONDS)) if config.is_file() else WINDOW_SECONDS
    )


@dataclass(frozen=True, slots=True)
class Piece:
    """The text of the tokens [first, last), which are whole characters."""

    text: str
    first: int
    last: int

    @property
    def sounds(self) -> bool:
        """Whether the text is more than punctuation, which has no sound and no time of its own."""
        return any(map(str.isalnum, self.text))


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of a Whisper model: text tokens, and the special tokens around the text."""

    tokenizer: Any
    multilingual: bool

    @property
    def end(self) -> int:
        """The end-of-text token; every later token is a special token, too."""
        return self._mark("endoftext")

    def start(self, options: TranscriptionOptions) -> list[int]:
        """The special tokens before the text of a window; raises Permanent for a language without a token."""
        marks = [self._mark("startoftranscript")]
        return [*marks, self._language(options), self._mark(options.task.value)] if self.multilingual else marks

    def prompt(self, options: TranscriptionOptions) -> list[int]:
        """All tokens before the text: hotwords and prompt as previous text, then the special tokens."""
        hotwords = f" {options.hotwords.strip()}" if options.hotwords else ""
        context = [*self.encode(hotwords), *self.encode(options.prompt or "")]
        before = [self._mark("startofprev"), *context] if context else []
        return [*before, *self.start(options), self._mark("notimestamps")]

    def encode(self, text: str) -> list[int]:
        """The tokens of a text."""
        return list(self.tokenizer.encode(text, add_special_tokens=False).ids)

    def words(self, tokens: Sequence[int]) -> list[list["Piece"]]:
        """The text of tokens in words; each begins with a blank, but in scripts that put none between words."""
        words: list[list[Piece]] = []
        for piece in self._pieces(tokens):
            before = words[-1][-1].text[-1:] if words else " "
            if piece.text[:1].isspace() or any(map(is_unspaced, (before + piece.text)[:2])) or not words:
                words.append([piece])
            else:
                words[-1].append(piece)
        return words

    def _pieces(self, tokens: Sequence[int]) -> "Iterator[Piece]":
        first = 0
        for last in range(1, len(tokens) + 1):
            text = self.tokenizer.decode(tokens[first:last])
            # a token may hold a part of a character only
            if "\ufffd" not in text or last == len(tokens):
                yield Piece(text, first, last)
                first = last

    def _language(self, options: TranscriptionOptions) -> int:
        mark = self.tokenizer.token_to_id(f"<|{options.language}|>")
        if mark is None:
            raise Permanent("unknown_language", f"the model does not know '{options.language}'")
        return int(mark)

    def _mark(self, name: str) -> int:
        return int(self.tokenizer.token_to_id(f"<|{name}|>"))


class CTranslate2Recognizer:
    """See engines.windowed.recognizer.Recognizer."""

    def __init__(self, model: Any, vocabulary: Vocabulary, seconds: int, beam_size: int) -> None:
        self._model = model
        self._vocabulary = vocabulary
        self._beam_size = beam_size
        self.window_seconds = seconds

    def recognize(
        self, windows: Sequence[Samples], options: TranscriptionOptions, *, rank_languages: bool
    ) -> list[Hypothesis]:
        """See Recognizer."""
        with memory_errors():
            encoded = self._encoded(windows)
            ranked = self._ranked(encoded) if rank_languages else [()] * len(windows)
            results = self._model.generate(
                encoded,
                [self._vocabulary.prompt(options)] * len(windows),
                beam_size=self._beam_size,
                return_scores=True,
                return_no_speech_prob=True,
            )
            texts = [[token for token in found.sequences_ids[0] if token < self._vocabulary.end] for found in results]
            frames = [max(1, len(window) // HOP) for window in windows]
            aligned = self._model.align(encoded, self._vocabulary.start(options), texts, frames)
        return [
            self._hypothesis(found, tokens, alignment, languages)
            for found, tokens, alignment, languages in zip(results, texts, aligned, ranked, strict=True)
        ]

    def detect_language(self, audio: Samples) -> RankedLanguages:
        """See Recognizer; averaged over all windows."""
        longest = self.window_seconds * SAMPLE_RATE
        windows = [audio[start : start + longest] for start in range(0, len(audio), longest)]
        with memory_errors():
            ranked = self._ranked(self._encoded(windows))
        total: dict[str, float] = defaultdict(float)
        for language, probability in (item for languages in ranked for item in languages):
            total[language] += probability / len(windows)
        return sorted(total.items(), key=lambda item: -item[1])

    def count_tokens(self, text: str) -> int:
        """See Recognizer."""
        return len(self._vocabulary.encode(text))

    def _encoded(self, windows: Sequence[Samples]) -> Any:
        frames = self.window_seconds * SAMPLE_RATE // HOP
        features = np.stack([log_mel(window, self._model.n_mels, frames) for window in windows])
        return self._model.encode(ctranslate2.StorageView.from_array(features))

    def _ranked(self, encoded: Any) -> list[RankedLanguages]:
        if not self._vocabulary.multilingual:
            return [[("en", 1.0)]] * encoded.shape[0]
        return [
            [(mark.strip("<|>"), float(probability)) for mark, probability in languages]
            for languages in self._model.detect_language(encoded)
        ]

    def _hypothesis(self, found: Any, tokens: Sequence[int], alignment: Any, languages: RankedLanguages) -> Hypothesis:
        text = self._vocabulary.tokenizer.decode(tokens).encode()
        count = len(found.sequences_ids[0])
        return Hypothesis(
            words=tuple(self._words(tokens, alignment)) if tokens else (),
            logprob=found.scores[0] * count / (count + 1),  # of the text and its end
            compression=len(text) / len(zlib.compress(text)),
            no_speech=found.no_speech_prob,
            cut_off=len(tokens) >= MOST_TOKENS,
            languages=languages,
        )

    def _words(self, tokens: Sequence[int], alignment: Any) -> list[Word]:
        """The words of a text with their times; none lasts longer than LONGEST_WORD."""
        words: list[Word] = []
        starts = token_starts(alignment.alignments)
        for pieces in self._vocabulary.words(tokens):
            sounding = [piece for piece in pieces if piece.sounds] or pieces
            start, end = starts[sounding[0].first], starts[sounding[-1].last]
            if opens_sentence(words):
                start = max(start, end - LONGEST_WORD)
            probability = float(np.mean(alignment.text_token_probs[pieces[0].first : pieces[-1].last]))
            text = "".join(piece.text for piece in pieces)
            words.append(Word(start=start, end=min(end, start + LONGEST_WORD), text=text, probability=probability))
        return words


def opens_sentence(words: Sequence[Word]) -> bool:
    """Whether a sentence begins after these words, so that a pause before the next word is not its own."""
    return not words or words[-1].text.rstrip(QUOTES).endswith(SENTENCE_END)


def token_starts(alignments: Sequence[tuple[int, int]]) -> list[float]:
    """The second at which each token is first heard, and the end of the last; `alignments` are pairs of token and step."""
    tokens, steps = np.array(alignments).T
    changes = np.diff(tokens, prepend=tokens[0] - 1) > 0
    return [float(step) for step in steps[changes] * TOKEN_SECONDS]


def log_mel(audio: Samples, bands: int, frames: int) -> Spectrum:
    """The log-mel spectrogram [bands, frames] of `audio` [n], padded with silence; from about -1 to 1."""
    half = FFT // 2
    padded = np.pad(audio, (0, frames * HOP - len(audio)))
    windows = np.lib.stride_tricks.sliding_window_view(np.pad(padded, half, mode="reflect"), FFT)[::HOP][:frames]
    power = np.abs(np.fft.rfft(windows * np.hanning(FFT + 1)[:-1], axis=1)) ** 2
    loudness = np.log10(np.maximum(mel_filters(bands) @ power.T, 1e-10))
    spectrum: Spectrum = ((np.maximum(loudness, loudness.max() - 8.0) + 4.0) / 4.0).astype(np.float32)
    return spectrum


@lru_cache
def mel_filters(bands: int) -> npt.NDArray[np.float64]:
    """Weights [bands, FFT // 2 + 1] of frequencies in each band of the mel scale, from 0 Hz to half the sample rate."""
    frequencies = np.fft.rfftfreq(FFT, 1 / SAMPLE_RATE)
    top = LINEAR_MELS + OCTAVES * np.log(SAMPLE_RATE / 2 / LINEAR_HZ)
    mels = np.linspace(0.0, top, bands + 2)
    logarithmic = LINEAR_HZ * np.exp((mels - LINEAR_MELS) / OCTAVES)
    edges = np.where(mels < LINEAR_MELS, mels * LINEAR_HZ / LINEAR_MELS, logarithmic)
    low, middle, high = (edges[i : i + bands, None] for i in range(3))
    rising, falling = (frequencies - low) / (middle - low), (high - frequencies) / (high - middle)
    filters: npt.NDArray[np.float64] = np.maximum(0.0, np.minimum(rising, falling)) * 2 / (high - low)
    return filters
