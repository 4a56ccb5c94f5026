"""The GPU process with its real engines, which write down every question to a network before they ask it.

python -m tests.bench.counting_gpu ARGUMENTS_OF_scribe-gpu

COUNTED: the file; a line is the stage, the samples of the recording and the seconds of audio that a network is given.
"""

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.command import main
from gpu_consumers.core.speech.vad_windows import Window
from gpu_consumers.engines.inference_cache import Answer, InferenceCache
from gpu_consumers.engines.protocols import Checkpoints, SpeakerBounds, TranscriptionOptions
from gpu_consumers.engines.pyannote import PyannoteDiarizer
from gpu_consumers.engines.windowed.recognizer import Hypothesis
from gpu_consumers.engines.windowed.window_decoder import WindowDecoder

_recording: ContextVar[int] = ContextVar("samples of the recording")


def count(path: str) -> None:
    """From now on everything is written down."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    hypotheses, get_or_compute = WindowDecoder.hypotheses, InferenceCache.get_or_compute
    diarize = PyannoteDiarizer.diarize

    def note(stage: str, samples: int, seconds: float) -> None:
        os.write(file, f"{stage}\t{samples}\t{seconds:.3f}\n".encode())

    def counted_hypotheses(
        self: WindowDecoder,
        samples: Samples,
        windows: Sequence[Window],
        options: TranscriptionOptions,
        *,
        rank_languages: bool = False,
    ) -> list[Hypothesis]:
        note("transcribe", len(samples), sum(window.length for window in windows) / SAMPLE_RATE)
        return hypotheses(self, samples, windows, options, rank_languages=rank_languages)

    def counted_answer(self: InferenceCache, rows: int, seconds: float, compute: Callable[[], Answer]) -> Answer:
        def counted() -> Answer:
            note("diarize", _recording.get(), seconds)
            return compute()

        return get_or_compute(self, rows, seconds, counted)

    def counted_diarize(
        self: PyannoteDiarizer,
        samples: Samples,
        bounds: SpeakerBounds,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> object:
        _recording.set(len(samples))
        return diarize(self, samples, bounds, progress, checkpoints)

    for kind, name, counted in (
        (WindowDecoder, "hypotheses", counted_hypotheses),
        (InferenceCache, "get_or_compute", counted_answer),
        (PyannoteDiarizer, "diarize", counted_diarize),
    ):
        setattr(kind, name, counted)


if __name__ == "__main__":
    count(os.environ["COUNTED"])
    main()
