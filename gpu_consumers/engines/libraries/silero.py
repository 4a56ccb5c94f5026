"""Silero's voice activity detection, as faster-whisper ships it, for all engines."""

from faster_whisper.vad import VadOptions, get_speech_timestamps

from gpu_consumers.audio.samples import Samples
from gpu_consumers.core.speech.vad_windows import Region

SHORTEST_PAUSE = 160  # milliseconds without speech that part two regions


def detect_voice(samples: Samples, longest: float) -> list[Region]:
    """Regions of speech in `samples` [n], none longer than `longest` seconds where a pause allows that."""
    options = VadOptions(max_speech_duration_s=longest, min_silence_duration_ms=SHORTEST_PAUSE)
    return [Region(item["start"], item["end"]) for item in get_speech_timestamps(samples, options)]
