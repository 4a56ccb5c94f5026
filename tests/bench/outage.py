"""Database, object store, both or the broker away while work keeps coming: what is lost, and how soon all is well again.

python -m tests.bench.outage --minutes 10 --what both
"""

import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from deploy.local.component import Component
from deploy.local.stack import Stack
from sink.postgres.migrate import migrate
from tests.integration.faust_process import until
from tests.integration.test_faust_service import NAMES, Service, made
from tests.streams.jobs import new_job
from tests.streams.receiver import Receiver, receiving

RECOVERY_SECONDS = 60.0
BEFORE_SECONDS = 2.0  # once the first webhook is there
AFTER_SECONDS = 5.0
PATIENCE_SECONDS = 300.0


class What(StrEnum):
    """What is away."""

    POSTGRES = "postgres"
    S3 = "s3"
    BOTH = "both"
    KAFKA = "kafka"

    def parts(self, stack: Stack) -> tuple[Component, ...]:
        """The servers that are killed, and started again after the outage."""
        parts: dict[What, tuple[Component, ...]] = {
            What.POSTGRES: (stack.postgres,),
            What.S3: (stack.s3,),
            What.BOTH: (stack.postgres, stack.s3),
            What.KAFKA: (stack.kafka,),
        }
        return parts[self]


@dataclass(frozen=True)
class Report:
    """What came of an outage; seconds."""

    sent: int
    completed: int
    delivered: int
    webhook_ids: int
    unverified: int
    dead_letters: int
    restarts: int
    away: float
    recovery: float

    @property
    def broken(self) -> list[str]:
        """The promises that did not hold."""
        promises = {
            "every job completed": self.completed == self.sent,
            "every webhook delivered": self.delivered == self.sent,
            "one webhook id each": self.webhook_ids == self.sent,
            "every signature verified": self.unverified == 0,
            "nothing dead-lettered": self.dead_letters == 0,
            "no process ended": self.restarts == 0,
            f"all done within {RECOVERY_SECONDS:g} s of the return": self.recovery <= RECOVERY_SECONDS,
        }
        return [promise for promise, held in promises.items() if not held]


def run(folder: Path, what: What, seconds: float, rate: float, say: Console) -> Report:
    """Kill `what` for `seconds` on a stack of its own, under `rate` jobs a second, and see it heal."""
    with ExitStack() as cleanup:
        stack = cleanup.enter_context(Stack(folder / "stack", durable=True, say=say))
        service = _service(stack, folder)
        receiver = cleanup.enter_context(receiving(Receiver()))
        receiver.secret = lambda: _remembered(service, receiver.url)
        processes = [cleanup.enter_context(start()) for start in (service.persist, service.webhooks, service.dispatch)]
        load = cleanup.enter_context(_load(service, receiver.url, rate))
        with Progress(console=say, transient=True) as bar:
            # a process that starts while its database is away may end, which is not what is looked at here
            until("the first webhook", lambda: bool(receiver.calls), PATIENCE_SECONDS)
            _wait(bar, "before", BEFORE_SECONDS)
            parts = what.parts(stack)
            gone = time.monotonic()
            for part in parts:
                part.kill()
            _wait(bar, f"{what} away", seconds)
            for part in parts:
                part.start()
            back = time.monotonic()
            _wait(bar, "after", AFTER_SECONDS)
            load.stop()
            _settled(bar, service, load.sent)
        recovery = time.monotonic() - back
        time.sleep(1)  # what would be done twice may still come
        return Report(
            sent=load.sent,
            completed=service.states().get("completed", 0),
            delivered=service.deliveries().get("delivered", 0),
            webhook_ids=len({call.message_id for call in receiver.calls}),
            unverified=sum(not call.verified for call in receiver.calls),
            dead_letters=len(service.dead()),
            restarts=sum(process.poll() is not None for process in processes),
            away=back - gone,
            recovery=recovery,
        )


def _service(stack: Stack, folder: Path) -> Service:
    topics = {name: f"outage.{name}" for name in NAMES}
    admin = AdminClient({"bootstrap.servers": stack.kafka_bootstrap})
    for creation in admin.create_topics([NewTopic(topic, 1, 1) for topic in topics.values()]).values():
        creation.result()
    client = stack.s3.client()
    client.create_bucket(Bucket="outage")
    client.close()
    dsn = stack.postgres_dsn("scribe")
    migrate(dsn)
    return made(stack, dsn, "outage", topics, folder)


_secrets: dict[str, str] = {}


def _remembered(service: Service, url: str) -> str | None:
    """The endpoint's secret, asked for once: the database may be away when the next call comes."""
    if url not in _secrets and (found := service.secret(url)):
        _secrets[url] = found
    return _secrets.get(url)


class _Load:
    """Sends the events of a job, again and again; an absent broker is waited for."""

    def __init__(self, service: Service, url: str, rate: float) -> None:
        self.sent = 0
        self._service, self._url, self._rate = service, url, rate
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopped.is_set():
            job = new_job(webhook_url=self._url)
            self._service.send("jobs", job.request())
            self._service.send("results", job.result())
            self.sent += 1
            due += 1 / self._rate
            self._stopped.wait(max(0.0, due - time.monotonic()))

    def stop(self) -> None:
        """Send no more."""
        self._stopped.set()
        self._thread.join()


@contextmanager
def _load(service: Service, url: str, rate: float) -> Iterator[_Load]:
    load = _Load(service, url, rate)
    try:
        yield load
    finally:
        load.stop()


def _wait(bar: Progress, title: str, seconds: float) -> None:
    task = bar.add_task(title, total=seconds)
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        bar.update(task, completed=seconds - left)
        time.sleep(min(0.2, left))
    bar.update(task, completed=seconds)


def _settled(bar: Progress, service: Service, sent: int) -> None:
    """Wait until every job is completed and told, or patience is over: the report says what is missing."""
    task = bar.add_task("catching up", total=sent)
    end = time.monotonic() + PATIENCE_SECONDS
    while time.monotonic() < end:
        delivered = service.deliveries().get("delivered", 0)
        bar.update(task, completed=delivered)
        if delivered >= sent and service.states().get("completed", 0) >= sent:
            return
        time.sleep(0.2)


def shown(report: Report, what: What) -> Table:
    """The report as a table."""
    table = Table(title=f"{what} away for {report.away:.0f} s", title_justify="left", show_header=False)
    for label, value in (
        ("jobs sent before, during and after", f"{report.sent:,}"),
        ("completed in the database", f"{report.completed:,}"),
        ("webhooks delivered, signatures verified", f"{report.delivered:,}, {report.unverified} not"),
        ("different webhook ids", f"{report.webhook_ids:,}"),
        ("dead letters", str(report.dead_letters)),
        ("processes that ended", str(report.restarts)),
        ("all done after the return", f"{report.recovery:.1f} s, {AFTER_SECONDS:g} s of more load in it"),
    ):
        table.add_row(label, value)
    return table


def main(
    what: Annotated[What, typer.Option(help="What is away.")] = What.BOTH,
    minutes: Annotated[float, typer.Option(help="For how long.")] = 10,
    rate: Annotated[float, typer.Option(help="Jobs a second that keep coming.")] = 5,
) -> None:
    """Take a server away under load; exit code 1 when a promise was broken."""
    say = Console()
    with tempfile.TemporaryDirectory(prefix="scribe-outage-") as folder:
        report = run(Path(folder), what, minutes * 60, rate, say)
    say.print(shown(report, what))
    for promise in report.broken:
        say.print(f"[bold red]broken[/] {promise}")
    sys.exit(1 if report.broken else 0)


if __name__ == "__main__":
    typer.run(main)
