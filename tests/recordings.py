"""The checked-in recordings and what is said in them."""

import json
from dataclasses import dataclass
from pathlib import Path

from deploy.local import recordings
from tests.scoring import Said

FOLDER = Path(recordings.__file__).parent


@dataclass(frozen=True, slots=True)
class Recording:
    """A file, its language, and its turns."""

    path: Path
    language: str
    said: tuple[Said, ...]

    @property
    def text(self) -> str:
        """All that is said, in order."""
        return " ".join(turn.text for turn in self.said)


def read(name: str) -> Recording:
    """A recording by its file name."""
    path = FOLDER / name
    reference = json.loads(path.with_suffix(".json").read_text())
    turns = (Said(turn["start"], turn["end"], turn["speaker"], turn["text"]) for turn in reference["turns"])
    return Recording(path, reference["language"], tuple(turns))


MONO = read("two-speakers.opus")
STEREO = read("stereo-call.mp3")
HEBREW = read("hebrew.wav")
CONVERSATION = read("four-voices.opus")  # real voices, for real models
LANGUAGES = read("three-languages.opus")  # one real voice in each of three languages
