"""How the clustering of a diarizer is set: errors in time and speakers found, for each threshold and smallest cluster.

`python -m tests.bench.clustering MODEL FOLDER` takes the folder of a pyannote model, as `scribe-gpu models fetch` prints it,
and one of recordings with a references.json (turns with start, end and speaker). The networks are asked once, for about
0.3 s of CPU a second of audio; every setting clusters the same answers.
"""

import json
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pyannote.core import Annotation, Segment, Timeline
from pyannote.metrics.diarization import DiarizationErrorRate

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.engines.protocols import SpeakerBounds
from gpu_consumers.engines.pyannote import PyannoteDiarizer, load_pipeline
from schemas.events import Channels, ModelInfo

THRESHOLDS = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.9)
SMALLEST = (2, 4, 8, 12)
LONGEST = 3600.0  # seconds
Part = TypeVar("Part")


class Answers:
    """What the networks answered, kept for the next round."""

    seconds = every = LONGEST

    def __init__(self) -> None:
        self.parts: list[bytes] = []

    def find(self, read: Callable[[bytes], Part | None], /) -> list[Part]:
        return [part for part in map(read, self.parts) if part is not None]

    def keep(self, part: bytes) -> None:
        self.parts.append(part)


def recordings(folder: Path, only: str) -> Iterator[tuple[str, Samples, list[Turn]]]:
    """Those of a folder whose turns are known."""
    for name, known in json.loads((folder / "references.json").read_text()).items():
        if known.get("turns") and only in name:
            with tempfile.TemporaryDirectory() as place:
                decode(folder / name, Path(place, "s.npy"), Channels.MIX, LONGEST, lambda _: None)
                samples = load(Path(place, "s.npy"))[:, 0].copy()
            yield name, samples, [Turn(turn["start"], turn["end"], turn["speaker"]) for turn in known["turns"]]


def annotated(turns: Sequence[Turn]) -> Annotation:
    """With voices beside each other."""
    annotation = Annotation()
    for number, turn in enumerate(turns):
        start = turn.start if turn.since is None else turn.since
        annotation[Segment(start, turn.end if turn.until is None else turn.until), number] = turn.speaker
    return annotation


def errors(said: Sequence[Turn], found: Sequence[Turn], seconds: float) -> Mapping[str, float]:
    """Missed, invented and confused seconds, and all of them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        judge, whole = DiarizationErrorRate(), Timeline([Segment(0, seconds)])
        parts: Mapping[str, float] = judge(annotated(said), annotated(found), uem=whole, detailed=True)
    return parts


def main(model: Path, folder: Path, only: Annotated[str, typer.Option(help="Part of a name.")] = "") -> None:
    """Print a line a setting."""
    pipeline: Any = load_pipeline(model, "cpu")
    diarizer = PyannoteDiarizer(lambda: pipeline, ModelInfo(name="m", digest="d", compute_type="float32"))
    heard = [(*item, Answers()) for item in recordings(folder, only)]
    for smallest, threshold in product(SMALLEST, THRESHOLDS):
        pipeline.instantiate(
            {
                "clustering": {"method": "centroid", "min_cluster_size": smallest, "threshold": threshold},
                "segmentation": {"min_duration_off": 0.0},
            }
        )
        wrong = total = 0.0
        speakers = []
        for _, samples, said, answers in heard:
            found = diarizer.diarize(samples, SpeakerBounds(), lambda _: None, answers)
            parts = errors(said, found, len(samples) / SAMPLE_RATE)
            wrong += parts["total"] * parts["diarization error rate"]
            total += parts["total"]
            speakers.append(f"{len({t.speaker for t in found})}/{len({t.speaker for t in said})}")
        typer.echo(
            f"smallest {smallest:2} threshold {threshold:.2f} DER {wrong / total:.1%} speakers {' '.join(speakers)}"
        )


if __name__ == "__main__":
    typer.run(main)
