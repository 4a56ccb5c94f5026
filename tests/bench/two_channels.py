"""One voice on two channels, or two people: how `channels=auto` decides on real voices.

`python -m tests.bench.two_channels [FOLDER]` makes two channels of the recordings of ours, and of those of a folder with
a references.json (text, turns with start, end and speaker), as one microphone and as the two sides of a call, worn in
many ways, and prints for each way on how many recordings the decision is right, the least and the largest part of what
is heard that is a channel's own, and by how many dB each person is louder than the other one on the own channel.
"""

import json
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from gpu_consumers.audio.channels.levels import levels_of
from gpu_consumers.audio.channels.turn_taking import TurnTaking, turn_taking
from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.samples import SAMPLE_RATE, Samples
from schemas.events import Channels
from tests.recordings import FOLDER as OURS

Pair = tuple[Samples, Samples]
LEAKS_DB = (-12, -15, -20, -30, -40)


def gain(decibels: float) -> float:
    """The factor of an amplitude."""
    return float(10 ** (decibels / 20))


def later(samples: Samples, milliseconds: float) -> Samples:
    """The same so much later."""
    return np.pad(samples, (round(milliseconds * SAMPLE_RATE / 1000), 0))[: len(samples)]


def noisy(samples: Samples, ratio_db: float, seed: int = 1) -> Samples:
    """With white noise so far below its loudness."""
    loudness = float(np.sqrt(np.mean(samples**2))) * gain(-ratio_db)
    return (samples + loudness * np.random.default_rng(seed).standard_normal(len(samples))).astype(np.float32)


def in_room(samples: Samples, seconds: float, seed: int) -> Samples:
    """With the echo of a room that dies away by 60 dB in so many seconds, as loud as the voice itself."""
    echo = np.random.default_rng(seed).standard_normal(round(seconds * SAMPLE_RATE))
    echo *= 10 ** (-3 * np.arange(len(echo)) / len(echo))
    echo /= np.sqrt(np.sum(echo**2))
    echo[0] += 1.0
    size = 1 << (len(samples) + len(echo)).bit_length()
    wet = np.fft.irfft(np.fft.rfft(samples, size) * np.fft.rfft(echo, size), size)
    return wet[: len(samples)].astype(np.float32)


def wandering(samples: Samples) -> Samples:
    """As a microphone that sets its own gain: 6 dB up and down in 20 s."""
    swing = 10 ** (0.3 * np.sin(2 * np.pi * np.arange(len(samples)) / SAMPLE_RATE / 20))
    return (samples * swing).astype(np.float32)


def beside(change: Callable[[Samples], Samples]) -> Callable[[Samples], Pair]:
    """A voice, and what became of it on the other channel."""
    return lambda voice: (voice, change(voice))


def scaled(samples: Samples, *, decibels: float) -> Samples:
    """Louder, or softer."""
    return (gain(decibels) * samples).astype(np.float32)


def two_places(voice: Samples, *, seconds: float) -> Pair:
    """Two microphones in a room."""
    return in_room(voice, seconds, 1), in_room(voice, seconds, 2)


def uneven(one: Samples, other: Samples, *, decibels: float) -> Pair:
    """A call of which one side is softer."""
    return noisy(one, 50), noisy(scaled(other, decibels=decibels), 30)


def noisy_lines(one: Samples, other: Samples, *, ratio: float) -> Pair:
    """A call with noise on both sides."""
    return noisy(one, ratio), noisy(other, ratio, 2)


def leaking(one: Samples, other: Samples, *, decibels: float, milliseconds: float = 0.0) -> Pair:
    """A call of which each side lets the other one through."""
    factor = gain(decibels)
    return one + factor * later(other, milliseconds), other + factor * later(one, milliseconds)


ONE: Mapping[str, Callable[[Samples], Pair]] = {
    "the same": beside(np.copy),
    **{f"{level} dB": beside(partial(scaled, decibels=level)) for level in (-6, -14, -25, -40)},
    **{f"{delay} ms later": beside(partial(later, milliseconds=delay)) for delay in (0.5, 10, 50, 150, 250)},
    "inverted": beside(np.negative),
    **{f"noise at {ratio} dB": beside(partial(noisy, ratio_db=ratio)) for ratio in (30, 20, 10, 5)},
    **{f"two places in a room, {seconds} s": partial(two_places, seconds=seconds) for seconds in (0.3, 0.6, 1.0)},
    "near and far in a room, 0.6 s": beside(partial(in_room, seconds=0.6, seed=3)),
    "a gain that wanders": beside(wandering),
    "clipped": beside(lambda voice: np.clip(8 * voice, -1, 1)),
}
TWO: Mapping[str, Callable[[Samples, Samples], Pair]] = {
    "a clean line": lambda one, other: (one, other),
    **{f"the other side {-level} dB softer": partial(uneven, decibels=level) for level in (-10, -20)},
    **{f"noise at {ratio} dB": partial(noisy_lines, ratio=ratio) for ratio in (40, 25, 15, 10)},
    **{f"a leak of {leak} dB": partial(leaking, decibels=leak) for leak in LEAKS_DB},
    **{f"the same 120 ms later, {leak} dB": partial(leaking, decibels=leak, milliseconds=120) for leak in LEAKS_DB},
    "a leak of -20 dB to one side": lambda one, other: (one, other + 0.1 * one),
    "a room of 0.5 s at each end": lambda one, other: (in_room(one, 0.5, 4), in_room(other, 0.5, 5)),
}
TABLE: Mapping[str, Callable[[Samples, Samples], Pair]] = {
    f"a table, the far end {-leak} dB softer": partial(leaking, decibels=leak) for leak in (-3, -6, -8)
}


@dataclass(slots=True)
class Tally:
    """What came of one way of wearing recordings out."""

    wanted: bool
    found: list[TurnTaking] = field(default_factory=list)

    def row(self, name: str) -> tuple[str, ...]:
        """Its line of the table."""
        right = sum(taking.two_people is self.wanted for taking in self.found)
        own = [sum(taking.own) / max(taking.active, 0.02) for taking in self.found]
        lead = [min(taking.separation) for taking in self.found if sum(taking.own)]
        leads = f"{min(lead):.0f} to {max(lead):.0f}" if lead else ""
        return name, f"{right} of {len(self.found)}", f"{min(own):.1%} to {max(own):.1%}", leads


def recordings(folder: Path) -> Iterator[tuple[Samples, list[dict[str, object]]]]:
    """The samples and the turns of each recording with speech."""
    for name, reference in json.loads((folder / "references.json").read_text()).items():
        if reference.get("text"):
            yield samples_of(folder / name), reference.get("turns", [])


def samples_of(path: Path, channels: Channels = Channels.MIX) -> Samples:
    """A recording as samples."""
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "samples.npy"
        decode(path, target, channels, 3600.0, lambda _: None)
        samples = np.array(load(target))
    return samples[:, 0] if channels is Channels.MIX else samples


def sides(samples: Samples, turns: list[dict[str, object]]) -> Pair | None:
    """The two sides of a call: every second speaker on the other one; None with one speaker."""
    speakers = list(dict.fromkeys(str(turn["speaker"]) for turn in turns))
    if len(speakers) < 2:
        return None
    both = np.zeros((2, len(samples)), np.float32)
    for turn in turns:
        part = slice(*(round(float(str(turn[edge])) * SAMPLE_RATE) for edge in ("start", "end")))
        both[speakers.index(str(turn["speaker"])) % 2, part] = samples[part]
    return both[0], both[1]


def measure(folder: Path | None) -> dict[str, dict[str, Tally]]:
    """The decisions, by what they should be and by the way of wearing out."""
    voices: list[Samples] = [samples_of(OURS / "two-speakers.opus"), samples_of(OURS / "hebrew.wav")]
    stereo = samples_of(OURS / "stereo-call.mp3", Channels.SPLIT)
    calls: list[Pair] = [(stereo[:, 0], stereo[:, 1])]
    for samples, turns in recordings(folder) if folder else ():
        voices.append(samples)
        if (call := sides(samples, turns)) is not None:
            calls.append(call)
    return {
        "one voice": {name: Tally(False, [_decided(way(voice)) for voice in voices]) for name, way in ONE.items()},
        "two people": {name: Tally(True, [_decided(way(*call)) for call in calls]) for name, way in TWO.items()},
        "one room": {name: Tally(False, [_decided(way(*call)) for call in calls]) for name, way in TABLE.items()},
    }


def _decided(pair: Pair) -> TurnTaking:
    return turn_taking(levels_of(np.stack(pair, axis=1).astype(np.float32)))


def main(folder: Annotated[Path | None, typer.Argument(help="Recordings with a references.json.")] = None) -> None:
    """Print the table."""
    for title, tallies in measure(folder).items():
        table = Table("on the other channel", "right", "a channel's own", "louder by, dB", title=title)
        for name, tally in tallies.items():
            table.add_row(*tally.row(name))
        Console(width=140).print(table)


if __name__ == "__main__":
    typer.run(main)
