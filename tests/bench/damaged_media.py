"""Damaged recordings of every container, decoded in processes that may die: what comes of them, and what is nobody's.

`python -m tests.bench.damaged_media --files 20000 --seed 1` prints how many end how, and the recipe of each file that
ends with an exception without a code, kills its process, takes too long, or gives samples that are none; and of each
that lost sound without a warning. Files that cannot tell are counted apart: streams without a container that are cut, or
that lack a piece, between two frames; nothing in them says how long they were. The same seed and number make the same
file: `--first N --files 1` tries one again.
"""

import argparse
import queue
import random
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from gpu_consumers.audio.decode import decode, load
from gpu_consumers.audio.formats.container_sniffing import AAC, MP3
from gpu_consumers.audio.formats.probing import probe
from schemas.errors import Permanent
from schemas.events import Channels
from tests.media_files import CODECS, Sound, encoded, in_turn, muxed, voice, wave

SECONDS = 2.0
MEMORY_BYTES = 3_000_000_000  # of address space; the libraries alone map one
PATIENCE_SECONDS = 30.0  # for one file
MAX_SECONDS = 600.0
WORKERS = 2
SILENT = "decoded, and shorter than it was without a warning"
UNTOLD = "decoded, and shorter than it was: cut frames of a stream that announces no length"
GOOD = ("decoded", "decoded with warnings", SILENT, UNTOLD)
SHORTER = 0.4  # seconds
CUTS = frozenset({"truncate", "delete", "splice"})

Damage = Callable[[random.Random, bytes, Mapping[str, bytes]], bytes]


@cache
def originals() -> Mapping[str, bytes]:
    """What is damaged: a voice in every container, and what is special of some."""
    mono = voice(SECONDS)
    call = in_turn(mono, voice(SECONDS, 210.0, seed=1), turn=1.0)
    opus, flac = encoded(mono, "ogg"), muxed("ogg", Sound(mono, "flac"))
    special = {
        "stereo.wav": encoded(call),
        "six.wav": wave(np.stack([mono] * 6, axis=1)),
        "rf64.wav": encoded(mono, "wav", options={"rf64": "always"}),
        "stereo.mp3": encoded(call, "mp3"),
        "plain.mp3": encoded(mono, "mp3", options={"write_xing": "0", "id3v2_version": "0"}),
        "surround.flac": encoded(np.stack([mono] * 6, axis=1), "flac"),
        "book.m4b": muxed("ipod", Sound(mono), chapters=(1.0, SECONDS)),
        "late.mp4": muxed("mp4", Sound(mono, delays={0.0: 2.0}), film=True),
        "fragments.mp4": muxed("mp4", Sound(mono), options={"movflags": "frag_keyframe+empty_moov+default_base_moof"}),
        "tracks.mkv": muxed("matroska", Sound(0 * mono, "libopus"), Sound(mono, "aac"), film=True),
        "gap.mka": muxed("matroska", Sound(mono, "libmp3lame", delays={1.0: 20.0})),
        "chain.ogg": opus + flac + opus,
    }
    return {**{f"{name}.{CODECS[name]}": encoded(mono, name) for name in CODECS}, **special}


@cache
def length(original: str) -> float:
    """Seconds of an original as it is decoded."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "recording"
        source.write_bytes(originals()[original])
        return decode(source, Path(folder) / "samples.npy", Channels.MIX, MAX_SECONDS, lambda _: None).duration


def _place(chance: random.Random, body: bytes) -> int:
    """More often near the beginning, where headers are."""
    return chance.randrange(min(len(body), 1024) if chance.random() < 0.4 else len(body)) if body else 0


def _flip(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    damaged = bytearray(body)
    for _flipped in range(chance.choice((1, 3, 30, 300)) if body else 0):
        damaged[_place(chance, body)] ^= 1 << chance.randrange(8)
    return bytes(damaged)


def _number(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    at, size = _place(chance, body), chance.choice((1, 2, 4, 8))
    value = chance.choice((0, 1, 2 ** (8 * size - 1) - 1, 2 ** (8 * size) - 1, chance.getrandbits(8 * size)))
    return body[:at] + value.to_bytes(size, chance.choice(("little", "big"))) + body[at + size :]


def _overwrite(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    at, size = _place(chance, body), chance.choice((16, 512, 4096, 30_000))
    filling = chance.choice((bytes(size), b"\xff" * size, chance.randbytes(size)))
    return body[:at] + filling + body[at + size :]


def _truncate(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    return body[: _place(chance, body)]


def _delete(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    at = _place(chance, body)
    return body[:at] + body[at + chance.choice((1, 100, 10_000)) :]


def _insert(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    at = _place(chance, body)
    return body[:at] + chance.choice((bytes, chance.randbytes))(chance.choice((1, 100, 10_000))) + body[at:]


def _repeat(chance: random.Random, body: bytes, _: Mapping[str, bytes]) -> bytes:
    start, stop = sorted((_place(chance, body), _place(chance, body)))
    return body[:stop] + body[start:]


def _splice(chance: random.Random, body: bytes, others: Mapping[str, bytes]) -> bytes:
    other = others[chance.choice(sorted(others))]
    return body[: _place(chance, body)] + other[_place(chance, other) :]


def _join(chance: random.Random, body: bytes, others: Mapping[str, bytes]) -> bytes:
    return body + others[chance.choice(sorted(others))]


DAMAGES: tuple[Damage, ...] = (
    *(_flip, _flip, _number, _number, _number, _overwrite, _overwrite),
    *(_truncate, _delete, _insert, _repeat, _splice, _join),
)


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a damaged file is made: from which original, by which damages."""

    number: int
    original: str
    damages: tuple[str, ...]
    channels: Channels
    body: bytes = field(repr=False)


def recipe(seed: int, number: int) -> Recipe:
    """The damaged file of that number."""
    chance = random.Random(f"{seed} {number}")
    originals_ = originals()
    name = chance.choice(sorted(originals_))
    body = originals_[name]
    damages = [chance.choice(DAMAGES) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
    for damage in damages:
        body = damage(chance, body, originals_)
    said = tuple(damage.__name__.strip("_") for damage in damages)
    return Recipe(number, name, said, chance.choice(tuple(Channels)), body)


def outcome(tried: Recipe, folder: Path) -> str:
    """How it ends: decoded, a code, or what nobody may meet."""
    source, target = folder / "recording", folder / "samples.npy"
    source.write_bytes(tried.body)
    try:
        found = decode(source, target, tried.channels, MAX_SECONDS, lambda _: None)
    except Permanent as error:
        return error.code
    except BaseException as error:  # noqa: BLE001 - the very thing that is looked for
        return f"untyped {type(error).__name__}: {error}"
    samples = load(target)
    if samples.shape != (round(found.duration * 16_000), found.channels) or not np.isfinite(samples).all():
        return f"untyped samples {samples.shape} for {found}"
    if not all(warning.isprintable() and len(warning) < 300 for warning in found.warnings):
        return f"untyped warnings {found.warnings}"
    if found.warnings or found.duration >= length(tried.original) - SHORTER:
        return GOOD[bool(found.warnings)]
    return UNTOLD if CUTS & set(tried.damages) and announces_nothing(source) else SILENT


def announces_nothing(source: Path) -> bool:
    """Whether it is a stream of frames without a container whose first frame does not say how many there are."""
    probed = probe(source)
    return probed.container in (MP3, AAC) and probed.announced.seconds is None


def work(seed: int, numbers: range) -> None:
    """Try files in this process, a line each; whoever started it sees where it died."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    with tempfile.TemporaryDirectory() as folder:
        for number in numbers:
            said = outcome(recipe(seed, number), Path(folder)).replace("\n", " ")
            sys.stdout.write(f"{number} {said}\n")
            sys.stdout.flush()


def attempts(seed: int, numbers: range) -> Iterator[tuple[int, str]]:
    """The outcome of each file, in processes that are started anew whenever one dies or stands still."""
    rest = numbers
    while rest:
        command = [sys.executable, "-m", __spec__.name, "--worker", "--seed", str(seed)]
        process = subprocess.Popen(
            [*command, "--first", str(rest.start), "--files", str(len(rest))], stdout=subprocess.PIPE, text=True
        )
        lines: queue.Queue[str | None] = queue.Queue()
        threading.Thread(target=_forward, args=(process, lines), daemon=True).start()
        while rest:
            try:
                line = lines.get(timeout=PATIENCE_SECONDS)
            except queue.Empty:
                process.kill()
                yield rest.start, f"untyped: more than {PATIENCE_SECONDS:.0f} s"
                rest = rest[1:]
                break
            if line is None:
                yield rest.start, f"untyped: the process ended with {process.wait()}"
                rest = rest[1:]
                break
            number, _, said = line.strip().partition(" ")
            yield int(number), said
            rest = rest[1:]
        process.wait()


def _forward(process: "subprocess.Popen[str]", lines: "queue.Queue[str | None]") -> None:
    for line in process.stdout or ():
        lines.put(line)
    lines.put(None)


def measure(seed: int, numbers: range, workers: int = WORKERS) -> tuple[Counter[str], list[str]]:
    """How many files end how, and the recipes of those that should not."""
    counts: Counter[str] = Counter()
    bad: list[str] = []
    lock = threading.Lock()

    def share(part: range) -> None:
        for number, said in attempts(seed, part):
            with lock:
                counts["untyped" if said.startswith("untyped") else said] += 1
                if said == SILENT or said.startswith("untyped"):
                    bad.append(f"{recipe(seed, number)}: {said}")

    size = -(-len(numbers) // workers)
    threads = [threading.Thread(target=share, args=(numbers[n * size : (n + 1) * size],)) for n in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return counts, bad


def main() -> int:
    """Print the counts and the recipes; 1 when one is nobody's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=WORKERS)
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    numbers = range(options.first, options.first + options.files)
    if options.worker:
        work(options.seed, numbers)
        return 0
    started = time.monotonic()
    counts, bad = measure(options.seed, numbers, options.workers)
    lines = [f"{count:8} {name}" for name, count in counts.most_common()]
    lines.append(f"{len(numbers)} files of {len(originals())} originals in {time.monotonic() - started:.0f} s")
    sys.stdout.writelines(f"{line}\n" for line in [*lines, *bad])
    return 1 if counts["untyped"] else 0


if __name__ == "__main__":
    sys.exit(main())
