"""The GPU process with its real engines, which write down every question to a network before they ask it.

python -m tests.bench.counting_gpu ARGUMENTS_OF_scribe-gpu

COUNTED: the file; a line is the stage, the samples of the recording and the seconds of audio that a network is given.
"""

import os
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from typing import Any

from gpu_consumers.audio.samples import SAMPLE_RATE, Progress, Samples
from gpu_consumers.command import main
from gpu_consumers.core.speech.vad_windows import Window
from gpu_consumers.engines.inference_cache import Answer, InferenceCache
from gpu_consumers.engines.protocols import Checkpoints, SpeakerBounds, TranscriptionOptions
from gpu_consumers.engines.pyannote_diarizer import PyannoteDiarizer
from gpu_consumers.engines.whisper import WhisperTranscriber

_of: ContextVar[int] = ContextVar("samples of the recording")


def count(path: str) -> None:
    """From now on everything is written down."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    run, play, diarize = WhisperTranscriber._run, InferenceCache.play, PyannoteDiarizer.diarize

    def note(stage: str, samples: int, seconds: float) -> None:
        os.write(file, f"{stage}\t{samples}\t{seconds:.3f}\n".encode())

    def counted_run(
        self: WhisperTranscriber, samples: Samples, windows: Sequence[Window], wishes: TranscriptionOptions
    ) -> list[Any]:
        note("transcribe", len(samples), sum(window.length for window in windows) / SAMPLE_RATE)
        return run(self, samples, windows, wishes)

    def counted_play(self: InferenceCache, rows: int, seconds: float, ask: Callable[[], Answer]) -> Answer:
        def counted() -> Answer:
            note("diarize", _of.get(), seconds)
            return ask()

        return play(self, rows, seconds, counted)

    def counted_diarize(
        self: PyannoteDiarizer,
        samples: Samples,
        bounds: SpeakerBounds,
        progress: Progress,
        checkpoints: Checkpoints | None = None,
    ) -> object:
        _of.set(len(samples))
        return diarize(self, samples, bounds, progress, checkpoints)

    for kind, name, counted in (
        (WhisperTranscriber, "_run", counted_run),
        (InferenceCache, "play", counted_play),
        (PyannoteDiarizer, "diarize", counted_diarize),
    ):
        setattr(kind, name, counted)


if __name__ == "__main__":
    count(os.environ["COUNTED"])
    main()
