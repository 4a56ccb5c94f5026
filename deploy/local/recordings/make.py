"""Regenerates the checked-in recordings from fixed seeds: Opus, MP3 and WAV, each with its reference as JSON.

python -m deploy.local.recordings.make
"""

import json
from dataclasses import dataclass
from pathlib import Path
from random import Random

from deploy.local.models.training.conversations import Conversation, conversation
from deploy.local.models.training.heard import is_new
from deploy.local.models.training.speech import SAMPLE_RATE, Voice
from deploy.local.recordings.encoding import encode

FOLDER = Path(__file__).parent


@dataclass(frozen=True, slots=True)
class RecordingRecipe:
    """One recording: its file, codec and bit rate, and its speakers."""

    file: str
    codec: str
    bits_per_second: int | None
    language: str
    voices: tuple[Voice, ...]
    seed: int
    stereo: bool = False


RECIPES = (
    RecordingRecipe("two-speakers.opus", "libopus", 24_000, "en", (Voice("f1", 52, 156), Voice("m3", 48, 150)), 7),
    RecordingRecipe(
        "stereo-call.mp3", "libmp3lame", 64_000, "en", (Voice("m1", 50, 152), Voice("f2", 50, 158)), 3, stereo=True
    ),
    RecordingRecipe("hebrew.wav", "adpcm_ima_wav", None, "he", (Voice("m1", 50, 150), Voice("f2", 50, 155)), 13),
)
SECONDS = 24.0


def make(recipe: RecordingRecipe, folder: Path) -> None:
    """Write the recording and its reference."""
    spoken = conversation(recipe.language, recipe.voices, SECONDS, Random(recipe.seed), accept=is_new)
    samples = spoken.tracks if recipe.stereo else spoken.mono[:, None]
    path = folder / recipe.file
    encode(samples, path, recipe.codec, SAMPLE_RATE, bits_per_second=recipe.bits_per_second)
    path.with_suffix(".json").write_text(json.dumps(reference(spoken), ensure_ascii=False, indent=1) + "\n")


def reference(spoken: Conversation) -> dict[str, object]:
    """The reference transcript: speaker and text of each turn, with times in seconds."""
    return {
        "language": spoken.language,
        "duration": round(spoken.duration, 2),
        "turns": [
            {"start": round(u.start, 2), "end": round(u.end, 2), "speaker": f"voice {u.speaker}", "text": u.text}
            for u in spoken.utterances
        ],
    }


def main() -> None:
    """Write all recordings."""
    for recipe in RECIPES:
        make(recipe, FOLDER)
        print(f"{recipe.file}: {(FOLDER / recipe.file).stat().st_size} bytes")


if __name__ == "__main__":
    main()
