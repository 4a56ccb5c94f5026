"""Conversations made of real voices that speak in turn, with pauses of several lengths and in several orders.

`python -m tests.bench.alternating_voices FOLDER TARGET` takes what each voice says from FOLDER: files raw/VOICE_NAME.wav,
whose words are those of the voice's turns in references.json, in order; of a voice without any its turns themselves,
cut from the recordings. It writes a recording for every pause and order, and the references.json to measure them with
`python -m tests.bench.real_speech TARGET`.
"""

import json
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from tests.bench.real_speech.product import decoded
from tests.bench.real_speech.references import UnusableFolder, recordings
from tests.system.sound import write_wav

LOUDNESS = 0.08  # of every sentence, as root mean square
EDGE = 0.05  # seconds around a turn that is cut out
PAUSES = "0,0.2,0.4,0.8,1.5,3"


@dataclass(frozen=True, slots=True)
class Sentence:
    """What a voice says in one go."""

    text: str
    language: str | None
    samples: Samples


@dataclass(frozen=True, slots=True)
class Conversation:
    """Sentences one after the other, each with its voice, from when to when."""

    samples: Samples
    turns: tuple[tuple[float, float, str, Sentence], ...]

    def reference(self) -> dict[str, object]:
        """As an entry of references.json."""
        languages = {sentence.language for *_, sentence in self.turns}
        return {
            "seconds": round(len(self.samples) / SAMPLE_RATE, 2),
            "text": " ".join(sentence.text for *_, sentence in self.turns),
            "language": languages.pop() if len(languages) == 1 else "mixed",
            "turns": [
                {"start": round(start, 2), "end": round(end, 2), "speaker": voice, "text": sentence.text}
                for start, end, voice, sentence in self.turns
            ],
        }


def conversation(voices: Mapping[str, Sequence[Sentence]], order: str, pause: float) -> Conversation:
    """All that the voices say, in an order such as `aab` (a is the first voice) over and over, as long as one has more."""
    names, said = list(voices), {name: list(sentences) for name, sentences in voices.items()}
    parts: list[Samples] = []
    turns: list[tuple[float, float, str, Sentence]] = []
    at = 0
    while any(said[names[ord(letter) - ord("a")]] for letter in order):
        for letter in order:
            name = names[ord(letter) - ord("a")]
            if not said[name]:
                continue
            sentence = said[name].pop(0)
            turns.append((at / SAMPLE_RATE, (at + len(sentence.samples)) / SAMPLE_RATE, name, sentence))
            parts += [sentence.samples, np.zeros(round(pause * SAMPLE_RATE), np.float32)]
            at += len(parts[-2]) + len(parts[-1])
    return Conversation(np.concatenate(parts), tuple(turns))


def voices_of(folder: Path) -> dict[str, list[Sentence]]:
    """The sentences of every voice that is heard in a folder; raises UnusableFolder."""
    texts: dict[str, list[tuple[str, str | None]]] = defaultdict(list)
    cut: dict[str, list[Sentence]] = defaultdict(list)
    for recording in recordings(folder):
        language = recording.reference.language
        spoken = [turn for turn in recording.reference.turns if turn.text]
        if not spoken:
            continue
        samples = _samples(recording.path)
        for turn in spoken:
            text = str(turn.text)
            if (text, language) not in texts[turn.speaker]:
                texts[turn.speaker].append((text, language))
                part = slice(max(0, round((turn.start - EDGE) * SAMPLE_RATE)), round((turn.end + EDGE) * SAMPLE_RATE))
                cut[turn.speaker].append(Sentence(text, language, _loud(samples[part])))
    return {voice: list(_raw(folder, voice, texts[voice])) or cut[voice] for voice in texts}


def _raw(folder: Path, voice: str, texts: Sequence[tuple[str, str | None]]) -> Iterator[Sentence]:
    files = sorted((folder / "raw").glob(f"{voice}_*"))
    for file, (text, language) in zip(files, texts, strict=False):
        yield Sentence(text, language, _loud(_samples(file)))


def _samples(path: Path) -> Samples:
    with tempfile.TemporaryDirectory() as folder:
        samples, _ = decoded(path, Path(folder))
    return samples


def _loud(samples: Samples) -> Samples:
    return (samples * LOUDNESS / max(float(np.sqrt(np.mean(samples**2))), 1e-6)).astype(np.float32)


def write(
    voices: Mapping[str, Sequence[Sentence]], orders: Sequence[str], pauses: Sequence[float], target: Path
) -> None:
    """A recording for every order and pause, and the references.json."""
    target.mkdir(parents=True, exist_ok=True)
    references = {}
    for pause in pauses:
        for order in orders:
            made = conversation(voices, order, pause)
            name = f"{order}_{pause:g}s.wav"
            write_wav(made.samples, target / name)
            references[name] = made.reference()
    (target / "references.json").write_text(json.dumps(references, ensure_ascii=False, indent=1))


def main(
    folder: Annotated[Path, typer.Argument(help="Recordings with a references.json.")],
    target: Annotated[Path, typer.Argument(help="Folder to write.")],
    voices: Annotated[str, typer.Option(help="Who speaks, with commas: a, b, ... of the orders.")] = "spk1,spk2",
    orders: Annotated[str, typer.Option(help="With commas: ab,ba is each of two voices first.")] = "ab,ba",
    pauses: Annotated[str, typer.Option(help="Seconds between two sentences, with commas.")] = PAUSES,
    sentences: Annotated[int, typer.Option(min=1, help="At most so many of each voice.")] = 100,
) -> None:
    """Make conversations of real voices that speak in turn, and the references to measure them with."""
    try:
        known = voices_of(folder)
    except UnusableFolder as error:
        raise typer.BadParameter(str(error)) from error
    names = voices.split(",")
    if missing := [name for name in names if name not in known]:
        raise typer.BadParameter(f"--voices: {', '.join(missing)}; known: {', '.join(sorted(known))}")
    letters = {chr(ord("a") + place) for place in range(len(names))}
    if not set(orders) - {","} <= letters:
        raise typer.BadParameter(f"--orders: letters of {len(names)} voices are {', '.join(sorted(letters))}")
    chosen = {name: known[name][:sentences] for name in names}
    write(chosen, orders.split(","), [float(pause) for pause in pauses.split(",")], target)


if __name__ == "__main__":
    typer.run(main)
