"""faster-whisper and pyannote.audio as their users call them, and the product's own transcriber that hears nothing twice."""

import warnings
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import torch
from faster_whisper import BatchedInferencePipeline, WhisperModel

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines.faster_whisper import transcriber_with
from gpu_consumers.engines.libraries.ctranslate2_device import threads_for
from gpu_consumers.engines.protocols import TranscriptionOptions
from gpu_consumers.engines.windowed.decoding import decoding_for
from schemas.events import ModelInfo
from schemas.models.registry import ModelEntry
from schemas.transcript import Word, joined
from tests.bench.real_speech.listening import Duration

with warnings.catch_warnings():
    # torchcodec does not load without FFmpeg's libraries; nobody hands pyannote a file here
    warnings.filterwarnings("ignore", message=r"\s*torchcodec is not installed correctly")
    from pyannote.audio import Pipeline

BEAM = 5
WORKERS = 1  # of the product's engines, too


@dataclass(slots=True)
class Text:
    """What was heard in a recording, and how long that took."""

    text: str = ""
    duration: Duration = field(default_factory=Duration)
    words: tuple[Word, ...] = ()


class StockWhisper:
    """The weights of an entry in faster-whisper itself."""

    def __init__(self, entry: ModelEntry, folder: Path, device: str) -> None:
        self._entry = entry
        self._model = WhisperModel(
            str(folder), device=device, compute_type=entry.compute_type, cpu_threads=threads_for(WORKERS)
        )
        decoding = replace(decoding_for(entry, device), redecodes=False)
        self._batch = decoding.batch_size
        info = ModelInfo(name=entry.name, digest="", compute_type=entry.compute_type)
        self._once = transcriber_with(self._model, info, decoding)
        self._once.warm_up()

    def sequential(self, samples: Samples, language: str | None) -> Text:
        """One window after the other, with a voice activity filter."""
        heard = Text()
        with heard.duration.measured():
            segments, _ = self._model.transcribe(
                samples, language=language, beam_size=BEAM, word_timestamps=True, vad_filter=True
            )
            found = list(segments)
        heard.text = "".join(segment.text for segment in found).strip()
        spoken = (word for segment in found for word in segment.words)
        heard.words = tuple(Word(start=float(word.start), end=float(word.end), text=word.word) for word in spoken)
        return heard

    def batched(self, samples: Samples, language: str | None) -> Text:
        """Its pipeline, whose windows are the product's."""
        heard = Text()
        with heard.duration.measured():
            segments, _ = BatchedInferencePipeline(self._model).transcribe(
                samples, language=language, beam_size=BEAM, word_timestamps=True, batch_size=self._batch
            )
            heard.text = "".join(segment.text for segment in segments).strip()
        return heard

    def once(self, samples: Samples, language: str | None) -> Text:
        """The product's transcriber without its second hearing: what that gains, and what it costs."""
        heard = Text()
        with heard.duration.measured():
            found = self._once.transcribe(samples, TranscriptionOptions(language), lambda _: None)
        heard.text = joined(found.words, found.language)
        return heard


class StockPyannote:
    """The folder of a diarizer in pyannote.audio itself."""

    def __init__(self, folder: Path, device: str) -> None:
        self._pipeline = Pipeline.from_pretrained(folder).to(torch.device(device))

    def turns(self, samples: Samples) -> tuple[tuple[Turn, ...], Duration]:
        """Who speaks when; turns may overlap."""
        duration = Duration()
        with duration.measured(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # statistics over a single frame
            audio = torch.from_numpy(np.ascontiguousarray(samples))[None]
            output = self._pipeline({"waveform": audio, "sample_rate": SAMPLE_RATE})
        tracks = output.speaker_diarization.itertracks(yield_label=True)
        return tuple(Turn(float(span.start), float(span.end), str(label)) for span, _, label in tracks), duration
