"""How good the estimates of a job's end are: what REST said while a queue was worked through, beside what happened.

python -m tests.bench.estimates --jobs 60 --seed 1

The whole service on real parts, with the small models that it ships, which really transcribe. Three tenants hand in
recordings of 5 to 120 seconds in two formats, a fifth of them express, in bursts. Every two seconds each asks for all of
its unfinished jobs and keeps what it is told. An estimate is judged by its error in relation to the time that was really
left, where that was five seconds or more: what is shown in whole seconds cannot be judged in fractions of one. Exit code 1
when the median is above 30 %.
"""

import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import av
import httpx
import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from deploy.local.recordings.encoding import encode
from deploy.local.service import ServiceProcesses
from deploy.local.stack import Stack
from schemas.vocabulary.job_states import ENDED
from tests.recordings import MONO

TENANTS = ("acme", "globex", "initech")
RATE = 16_000
CODECS = {"wav": "pcm_s16le", "mp3": "libmp3lame"}
GOAL = 0.3
LEAST_SECONDS = 5.0
LOOK_SECONDS = 2.0
MOST_SECONDS = 1_500.0


@dataclass(frozen=True)
class Told:
    """One estimate: when it was given, and the end that it named."""

    job: str
    at: datetime
    ends_at: datetime
    running: bool


@dataclass
class Watch:
    """What the tenants were told, the ends of their jobs, and looks that gave no estimate."""

    told: list[Told] = field(default_factory=list)
    ends: dict[str, datetime] = field(default_factory=dict)
    silent: int = 0

    def look(self, client: httpx.Client) -> int:
        """Read all jobs of a tenant; returns how many have not ended."""
        now, pending = datetime.now(UTC), 0
        answer = client.get("/api/v1/jobs", params={"limit": 100})
        answer.raise_for_status()
        for job in answer.json()["jobs"]:
            if job["state"] in ENDED:
                self.ends[job["job_id"]] = datetime.fromisoformat(job["completed_at"])
                continue
            pending += 1
            if (found := job["estimate"]) is None:
                self.silent += 1
            else:
                ends_at = datetime.fromisoformat(found["ends_at"])
                self.told.append(Told(job["job_id"], now, ends_at, found["position"] is None))
        return pending

    def errors(self, low: float, high: float, *, running: bool | None = None) -> list[float]:
        """The relative errors of estimates with so many seconds really left; `running`: only of jobs in work, or not."""
        return [
            abs((told.ends_at - end).total_seconds()) / left
            for told in self.told
            if (end := self.ends.get(told.job)) is not None
            and low <= (left := (end - told.at).total_seconds()) < high
            and running in (None, told.running)
        ]


def make_recordings(folder: Path, jobs: int, chosen: random.Random) -> list[Path]:
    """Recordings of real voices of a synthesizer, from 5 to 120 seconds long."""
    with av.open(str(MONO.path)) as container:
        frames = [frame.to_ndarray() for frame in _mono(container)]
    voice = np.concatenate(frames, axis=1)[0].astype(np.float32)
    paths = []
    for number in range(jobs):
        seconds = min(120.0, max(5.0, chosen.lognormvariate(3.3, 0.8)))
        samples = np.resize(np.roll(voice, -chosen.randrange(len(voice))), int(seconds * RATE))
        suffix = chosen.choice(tuple(CODECS))
        path = folder / f"{number}.{suffix}"
        encode(samples[:, np.newaxis], path, CODECS[suffix], RATE)
        paths.append(path)
    return paths


def _mono(container: Any) -> Iterator[av.AudioFrame]:
    resampler = av.AudioResampler("flt", "mono", RATE)
    for frame in container.decode(audio=0):
        yield from resampler.resample(frame)


@contextmanager
def clients(folder: Path, say: Console) -> Iterator[Mapping[str, httpx.Client]]:
    """A running service, and a client of each tenant."""
    with Stack(folder / "stack", durable=False, say=say) as stack, ExitStack() as opened:
        service = ServiceProcesses(stack.environment(), folder / "service")
        opened.callback(service.stop)
        service.prepare()
        keys = {tenant: service.command("keys", "create", "--tenant", tenant).stdout.strip() for tenant in TENANTS}
        service.start()
        service.wait_ready()
        yield {
            tenant: opened.enter_context(
                httpx.Client(base_url=service.api_url, headers={"X-API-Key": key}, timeout=60, trust_env=False)
            )
            for tenant, key in keys.items()
        }


def submit(client: httpx.Client, path: Path, priority: str) -> None:
    """Upload a recording."""
    with path.open("rb") as file:
        answer = client.post(
            "/api/v1/transcribe/upload", files={"file": (path.name, file)}, data={"priority": priority}
        )
    answer.raise_for_status()


def measure(opened: Mapping[str, httpx.Client], paths: list[Path], chosen: random.Random) -> Watch:
    """Work through the recordings in bursts, with a look at all jobs every two seconds."""
    warm, rest = paths[:3], paths[3:]
    watch = Watch()
    for path in warm:
        submit(opened["acme"], path, "standard")
    finish(opened, Watch())
    while rest:
        burst, rest = rest[: len(paths) // 3], rest[len(paths) // 3 :]
        for path in burst:
            priority = "express" if chosen.random() < 0.2 else "standard"
            submit(opened[chosen.choice(TENANTS)], path, priority)
        finish(opened, watch, most=len(paths) // 6 if rest else 0)
    return watch


def finish(opened: Mapping[str, httpx.Client], watch: Watch, most: int = 0) -> None:
    """Look until so many jobs at most are left; raises TimeoutError when they do not end."""
    deadline = time.monotonic() + MOST_SECONDS
    while sum([watch.look(client) for client in opened.values()]) > most:
        if time.monotonic() > deadline:
            raise TimeoutError(f"jobs are left after {MOST_SECONDS:g} s")
        time.sleep(LOOK_SECONDS)


def report(watch: Watch) -> Table:
    """Errors by the time that was left."""
    table = Table("seconds left", "estimates", "median error", "nine of ten below")
    for low, high in ((LEAST_SECONDS, 15.0), (15.0, 60.0), (60.0, 240.0), (240.0, float("inf"))):
        if len(errors := watch.errors(low, high)) > 1:
            table.add_row(f"{low:g} to {high:g}", str(len(errors)), f"{statistics.median(errors):.0%}", _ninth(errors))
    for name, running in (("of waiting jobs", False), ("of jobs in work", True)):
        if len(errors := watch.errors(LEAST_SECONDS, float("inf"), running=running)) > 1:
            table.add_row(name, str(len(errors)), f"{statistics.median(errors):.0%}", _ninth(errors))
    return table


def _ninth(errors: list[float]) -> str:
    return f"{statistics.quantiles(errors, n=10)[-1]:.0%}"


def main(
    jobs: Annotated[int, typer.Option(help="Recordings.", min=12)] = 60,
    seed: Annotated[int, typer.Option(help="What lengths, tenants and formats are drawn from.")] = 1,
) -> None:
    """Measure the errors of the estimates that REST gives."""
    say, chosen = Console(), random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="scribe-estimates-") as temporary:
        paths = make_recordings(Path(temporary), jobs, chosen)
        with clients(Path(temporary), say) as opened:
            watch = measure(opened, paths, chosen)
    errors = watch.errors(LEAST_SECONDS, float("inf"))
    say.print(report(watch))
    say.print(
        f"{len(errors)} estimates of {len(watch.ends)} jobs: median error {statistics.median(errors):.0%},"
        f" {watch.silent} looks at a job without an estimate"
    )
    sys.exit(1 if statistics.median(errors) > GOAL else 0)


if __name__ == "__main__":
    typer.run(main)
