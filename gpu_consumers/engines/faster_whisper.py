"""faster-whisper as an engine: its batched pipeline behind the Recognizer protocol."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from faster_whisper import BatchedInferencePipeline, WhisperModel

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.spacing import opening
from gpu_consumers.engines.libraries.ctranslate2_device import gpu_available, memory_errors, preload_cublas, threads_for
from gpu_consumers.engines.libraries.silero import detect_voice
from gpu_consumers.engines.protocols import TranscriptionOptions
from gpu_consumers.engines.registry import ModelSource
from gpu_consumers.engines.windowed.decoding import Decoding, decoding_for
from gpu_consumers.engines.windowed.recognizer import DETECTION_WINDOWS, Hypothesis, RankedLanguages
from gpu_consumers.engines.windowed.transcriber import WindowedTranscriber
from schemas.events import ModelInfo
from schemas.transcript import Word

__all__ = ["FasterWhisperRecognizer", "gpu_available", "load", "transcriber_with"]

MOST_TOKENS = 224  # that Whisper says to one window: half of its context


def load(source: ModelSource) -> WindowedTranscriber:
    """See engines.registry.TranscriberEngine."""
    if source.device == "cuda":
        preload_cublas()
    model = WhisperModel(
        str(source.folder),
        device=source.device,
        compute_type=source.entry.compute_type,
        num_workers=source.workers,
        cpu_threads=threads_for(source.workers),
    )
    return transcriber_with(model, source.info, decoding_for(source.entry, source.device))


def transcriber_with(model: WhisperModel, info: ModelInfo, decoding: Decoding) -> WindowedTranscriber:
    """A transcriber over a loaded model; its `compute_type` is the one that the device made of what was asked for."""
    loaded = ModelInfo(name=info.name, digest=info.digest, compute_type=str(model.model.compute_type))
    recognizer = FasterWhisperRecognizer(model, decoding.beam_size)
    on_gpu = model.model.device == "cuda"
    return WindowedTranscriber(recognizer, detect_voice, loaded, decoding, whole_batches=on_gpu)


class FasterWhisperRecognizer:
    """See engines.windowed.recognizer.Recognizer; each call has a pipeline of its own, for it keeps state."""

    def __init__(self, model: WhisperModel, beam_size: int) -> None:
        self._model = model
        self._beam_size = beam_size
        self.window_seconds = int(model.feature_extractor.chunk_length)

    def recognize(
        self, windows: Sequence[Samples], options: TranscriptionOptions, *, rank_languages: bool
    ) -> list[Hypothesis]:
        """See Recognizer."""
        block = _Block.joined(windows)
        model = _LanguageRanking(self._model) if rank_languages else self._model
        with memory_errors():
            segments, _ = BatchedInferencePipeline(model).transcribe(
                block.audio,
                language=options.language,
                task=options.task.value,
                clip_timestamps=block.clips,
                batch_size=len(windows),
                beam_size=self._beam_size,
                hotwords=options.hotwords,
                initial_prompt=options.prompt,
                word_timestamps=True,
            )
            said = list(segments)
        ranked = model.ranked if isinstance(model, _LanguageRanking) else [()] * len(windows)
        return [
            _hypothesis([s for s in said if _second(s) == offset], offset, languages)
            for offset, languages in zip(block.offsets, ranked, strict=True)
        ]

    def detect_language(self, audio: Samples) -> RankedLanguages:
        """See Recognizer."""
        with memory_errors():
            language, probability, ranked = self._model.detect_language(
                audio, language_detection_segments=DETECTION_WINDOWS
            )
        return [(language, probability), *ranked]

    def count_tokens(self, text: str) -> int:
        """See Recognizer."""
        return len(self._model.hf_tokenizer.encode(text, add_special_tokens=False).ids)


@dataclass(frozen=True)
class _Block:
    """The windows of one batch in one array, each at a full second, so that its place is exact in any unit."""

    audio: Samples
    clips: list[dict[str, float]]
    offsets: list[int] = field(default_factory=list)  # the second at which each window begins

    @classmethod
    def joined(cls, windows: Sequence[Samples]) -> "_Block":
        """Copies windows one after the other."""
        parts, clips, offsets, second = [], [], [], 0
        for window in windows:
            seconds = -(-len(window) // SAMPLE_RATE)
            parts.append(np.pad(window, (0, seconds * SAMPLE_RATE - len(window))))
            clips.append({"start": float(second), "end": second + len(window) / SAMPLE_RATE})
            offsets.append(second)
            second += seconds
        return cls(np.concatenate(parts), clips, offsets)


def _second(segment: Any) -> int:
    """The full second of its block at which the window of a segment begins."""
    return int(segment.seek) // 100  # frames of 10 ms


def _hypothesis(segments: Sequence[Any], offset: int, languages: RankedLanguages) -> Hypothesis:
    """The segments of one window, which is at `offset` seconds of its block."""
    if not segments:
        return Hypothesis(languages=languages)
    words = [word for segment in segments for word in opening([_word(item, offset) for item in segment.words or ()])]
    return Hypothesis(
        words=tuple(words),
        logprob=segments[-1].avg_logprob,
        compression=segments[-1].compression_ratio,
        no_speech=segments[-1].no_speech_prob,
        cut_off=sum(len(segment.tokens) for segment in segments) >= MOST_TOKENS,
        languages=languages,
    )


def _word(word: Any, offset: int) -> Word:
    """A word of the library as one of ours; times from the start of its window."""
    start, end = float(word.start) - offset, float(word.end) - offset
    return Word(start=start, end=end, text=str(word.word), probability=float(word.probability))


class _LanguageRanking:
    """The model of a pipeline, which also tells how likely each language is in every window that it encodes."""

    def __init__(self, model: WhisperModel) -> None:
        self._model = model
        self.ranked: list[RankedLanguages] = []

    def encode(self, features: Any) -> Any:
        """Encode as the model does; ranking languages costs next to nothing here, and a second encoding elsewhere."""
        encoded = self._model.encode(features)
        for ranked in self._model.model.detect_language(encoded):
            self.ranked.append([(token.strip("<|>"), probability) for token, probability in ranked])
        return encoded

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)
