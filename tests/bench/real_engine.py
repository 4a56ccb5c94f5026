"""Real recordings on the real engine while the GPU process is killed again and again: all end once, as if nobody had died.

python -m tests.bench.real_engine --recordings 60 --kills 30 --minutes 30

The first recording is long (`--minutes`), the others last from five seconds to two minutes; all are held-out speech of several
voices, for the stand-in models. Afterwards every one of them is submitted again, undisturbed. Exit code 1 when a job is lost,
has two results, failed, or ended otherwise than undisturbed, or when the long one cost more audio than a minute for each kill.
"""

import random
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated
from uuid import UUID

import numpy as np
import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from deploy.local.models.training.speech import SAMPLE_RATE, Samples
from deploy.local.service import COMMANDS, ServiceProcesses
from deploy.local.stack import Stack
from schemas.events import JobResult, Outcome
from tests.heldout import held_out
from tests.system.client import Client
from tests.system.sound import write_wav

NAMES = ("api", "relay", "gpu", "persist")
SHORTEST, LONGEST = 5.0, 120.0  # seconds of the others
KILL_AFTER = (10.0, 25.0)  # seconds of readiness
CHECKPOINT_SECONDS = 60.0
PATIENCE = 600.0
DRAWN = random.Random(5)


@dataclass(frozen=True)
class Found:
    """What came of them; counts, and seconds of audio that the networks were given for the long one by stage."""

    jobs: int
    results: int
    twice: int
    failed: int
    different: int
    kills: int
    kills_of_long: int
    """Those before the long one ended."""
    given: dict[str, float]
    needed: dict[str, float]

    def again(self, stage: str) -> float:
        """Seconds of the long one that were worked on again for one kill."""
        return max(0.0, self.given[stage] - self.needed[stage]) / max(1, self.kills_of_long)

    @property
    def kept(self) -> bool:
        whole = self.results == self.jobs and self.kills_of_long > 0
        cheap = all(self.again(stage) <= CHECKPOINT_SECONDS for stage in self.needed)
        return whole and cheap and not (self.twice or self.failed or self.different)


def recordings(count: int, minutes: float, folder: Path) -> list[Path]:
    """Files of lengths that differ, the longest first."""
    spoken = [item.conversation.mono for item in held_out()]
    lengths = [minutes * 60, *(DRAWN.uniform(SHORTEST, LONGEST) for _ in range(count - 1))]
    return [
        write_wav(_talk(spoken, number, int(seconds * SAMPLE_RATE) + number), folder / f"{number}.wav")
        for number, seconds in enumerate(lengths)
    ]


def _talk(spoken: Sequence[Samples], first: int, samples: int) -> Samples:
    """One conversation after the other, from the `first` on, for so long."""
    some: list[Samples] = []
    while sum(map(len, some)) < samples:
        some.append(spoken[(first + len(some)) % len(spoken)])
    return np.concatenate(some)[:samples]


def measure(stack: Stack, files: Sequence[Path], kills: int, seed: int, folder: Path, say: Console) -> Found:
    """Submit all of them, kill, wait; then all of them again."""
    counted = folder / "counted"
    environment = {**stack.environment(), "COUNTED": str(counted), "SCRIBE_TIME_SCALE": "0.1"}
    service = ServiceProcesses(
        environment, folder / "service", NAMES, commands=COMMANDS | {"gpu": _counting(COMMANDS["gpu"])}
    )
    try:
        key = service.prepare()
        service.start()
        service.wait_ready()
        with Client(service, key) as client:
            jobs = [client.upload(path) for path in files]
            killed, of_long = _kill(service, client, jobs, kills, random.Random(seed), say)
            results = _wait(client, jobs, say, "ended")
            given = _given(counted, files[0])
            again = [client.upload(path) for path in files]
            plain = {result.job_id: result for result in _wait(client, again, say, "undisturbed")}
            needed = {stage: seconds - given[stage] for stage, seconds in _given(counted, files[0]).items()}
    finally:
        service.stop()
    first = {result.job_id: result for result in results}
    return Found(
        jobs=len(jobs),
        results=len(first),
        twice=sum(count - 1 for count in Counter(result.job_id for result in results).values()),
        failed=sum(result.outcome is not Outcome.COMPLETED for result in results),
        different=sum(
            _heard(first[a]) != _heard(plain[b]) for a, b in zip(jobs, again, strict=True) if a in first and b in plain
        ),
        kills=killed,
        kills_of_long=of_long,
        given=given,
        needed=needed,
    )


def _counting(command: tuple[str, ...]) -> tuple[str, ...]:
    return ("tests.bench.counting_gpu", *command[1:])


def _kill(
    service: ServiceProcesses, client: Client, jobs: Sequence[UUID], kills: int, rng: random.Random, say: Console
) -> tuple[int, int]:
    """Kill the GPU process while there is work; how often, and how often before the first job ended."""
    done = of_long = 0
    with _bars(say) as bars:
        task = bars.add_task("kills", total=kills)
        while done < kills:
            time.sleep(rng.uniform(*KILL_AFTER))
            ended = {result.job_id for result in client.results(*jobs)}
            if len(ended) == len(jobs):
                break
            of_long += jobs[0] not in ended
            service.kill("gpu")
            done += 1
            bars.update(task, completed=done)
            service.start("gpu")
            service.wait_ready(["gpu"])
    return done, of_long


def _wait(client: Client, jobs: Sequence[UUID], say: Console, what: str) -> list[JobResult]:
    """Their results once all are there, or nothing has moved for long."""
    moved, last = time.monotonic(), -1
    with _bars(say) as bars:
        task = bars.add_task(what, total=len(jobs))
        while True:
            results = client.results(*jobs)
            ended = len({result.job_id for result in results})
            bars.update(task, completed=ended)
            if ended > last:
                moved, last = time.monotonic(), ended
            if ended == len(jobs) or time.monotonic() - moved > PATIENCE:
                return results
            time.sleep(1.0)


def _bars(say: Console) -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=say)


def _heard(result: JobResult) -> object:
    """All that was said, when and by whom."""
    return result.transcript and replace(result.transcript, warnings=())


def _given(counted: Path, file: Path) -> dict[str, float]:
    """Seconds of audio by stage that the networks were given for one recording."""
    samples = str((file.stat().st_size - 44) // 2)
    seconds = {"transcribe": 0.0, "diarize": 0.0}
    for line in counted.read_text().splitlines():
        stage, length, given = line.split("\t")
        if length == samples:
            seconds[stage] += float(given)
    return seconds


def shown(found: Found) -> Table:
    """As a table."""
    table = Table("WHAT", "FOUND")
    table.add_row("recordings, and those with a result", f"{found.jobs}, {found.results}")
    table.add_row("results too many, failed", f"{found.twice}, {found.failed}")
    table.add_row("ended otherwise than undisturbed", str(found.different))
    table.add_row("kills, and those before the long one ended", f"{found.kills}, {found.kills_of_long}")
    for stage in found.needed:
        audio = f"{found.given[stage]:,.0f} s, {found.needed[stage]:,.0f} s"
        table.add_row(f"{stage} of the long one: audio given to the networks, and undisturbed", audio)
        table.add_row(f"{stage} of the long one: done again for one kill", f"{found.again(stage):.1f} s")
    return table


def main(
    recordings_: Annotated[int, typer.Option("--recordings", help="How many.", min=2)] = 60,
    kills: Annotated[int, typer.Option(help="Of the GPU process.", min=1)] = 30,
    minutes: Annotated[float, typer.Option(help="Of the long recording.", min=3.0)] = 30.0,
    seed: Annotated[int, typer.Option(help="What the moments of the kills are drawn from.")] = 1,
) -> None:
    """Measure and print."""
    say = Console()
    with tempfile.TemporaryDirectory(prefix="real-") as name, Stack(Path(name) / "stack") as stack:
        folder = Path(name)
        found = measure(stack, recordings(recordings_, minutes, folder), kills, seed, folder, say)
    say.print(shown(found))
    raise typer.Exit(0 if found.kept else 1)


if __name__ == "__main__":
    typer.run(main)
