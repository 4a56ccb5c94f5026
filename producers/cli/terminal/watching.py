"""Following a job to its end: polling with back-off, a live bar on a terminal, plain lines elsewhere."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Protocol
from uuid import UUID

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from producers.cli.clients.rest import is_outage
from producers.cli.terminal.progress import amount, forecast
from producers.client.errors import ClientError, NotFound
from producers.client.sync_client import Client
from schemas.retries.schedules import LOOKS
from schemas.vocabulary.job_states import ENDED, JobState

PATIENCE_SECONDS = 60.0  # for a shim that is away, and for a job that is on its way there over Kafka
Job = dict[str, Any]


class Display(Protocol):
    """Output for the state of a job."""

    def show(self, job: Job) -> None:
        """Show the current state of a job."""

    def note(self, text: str) -> None:
        """Show a reason for waiting."""


def follow(
    client: Client,
    job_id: UUID,
    display: Display,
    *,
    may_be_absent: bool = False,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.monotonic,
) -> Job:
    """The job when it has ended; raises ClientError when it cannot be read for a minute.

    `may_be_absent`: it was published to Kafka and may not have arrived yet.
    """
    seen, looks, last_sight = "", 1, now()
    while True:
        try:
            job = {**client.job(job_id).raw}
        except ClientError as error:
            absent = isinstance(error, NotFound)
            if now() - last_sight > PATIENCE_SECONDS or not (is_outage(error) or (absent and may_be_absent)):
                raise
            display.note("not seen yet" if absent else "the service is away")
        else:
            last_sight, may_be_absent = now(), False
            display.show(job)
            if job["state"] in ENDED:
                return job
            # short after a change, then longer and longer
            looks, seen = looks + 1 if seen == str(job["updated_at"]) else 1, str(job["updated_at"])
        sleep(LOOKS.wait(looks))


class Lines:
    """Output of one line for each change, for logs and pipes."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown = ""

    def show(self, job: Job) -> None:
        """See Display."""
        self.note(job["state"])

    def note(self, text: str) -> None:
        """See Display."""
        if text != self._shown:
            self._console.print(text, markup=False, highlight=False)
            self._shown = text


class Bar:
    """A live progress bar in seconds of audio."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task(JobState.QUEUED, total=None, amount="")

    def show(self, job: Job) -> None:
        """See Display."""
        done, total = job["progress"]["done_seconds"], job["progress"]["total_seconds"]
        ends = forecast(job.get("estimate"), datetime.now(UTC))
        said = ", ".join(filter(None, (amount(done, total), ends)))
        self._progress.update(self._task, description=job["state"], completed=done, total=total, amount=said)

    def note(self, text: str) -> None:
        """See Display."""
        self._progress.update(self._task, amount=text)


@contextmanager
def display(console: Console) -> Iterator[Display]:
    """The display that fits the console's output."""
    if not console.is_terminal:
        yield Lines(console)
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=None),
        TextColumn("{task.fields[amount]}"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, expand=True) as progress:
        yield Bar(progress)
