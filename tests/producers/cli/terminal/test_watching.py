"""Following a job: when to look again, what to wait out, when to give up."""

from typing import Any, cast
from uuid import UUID

import pytest
from rich.console import Console

from producers.cli.terminal.watching import PATIENCE_SECONDS, Lines, display, follow
from producers.client.errors import ClientError, NotFound, ProblemError, Unauthorized, Unreachable
from producers.client.models.document import Document
from producers.client.sync_client import Client
from schemas.retries.schedules import LOOKS

JOB = UUID(int=1)


def job(state: str, updated: int = 0) -> dict[str, Any]:
    return {"state": state, "updated_at": updated, "progress": {"done_seconds": 1.0, "total_seconds": 4.0}}


def refused(kind: type[ProblemError], status: int, code: str) -> ProblemError:
    error = kind("words", status)
    error.code = code
    return error


class Script:
    """A shim whose answers are given, and a clock that moves only by sleeping."""

    def __init__(self, *answers: dict[str, Any] | ClientError) -> None:
        self.answers = list(answers)
        self.time = 0.0
        self.pauses: list[float] = []
        self.shown: list[str] = []

    def job(self, job_id: UUID) -> Document:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ClientError):
            raise answer
        return Document(answer)

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.pauses.append(seconds)

    def show(self, job: dict[str, Any]) -> None:
        self.shown.append(job["state"])

    def note(self, text: str) -> None:
        self.shown.append(text)

    def follow(self, *, may_be_absent: bool = False) -> dict[str, Any]:
        client = cast(Client, self)
        return follow(client, JOB, self, may_be_absent=may_be_absent, sleep=self.sleep, now=lambda: self.time)


def test_it_ends_with_the_job() -> None:
    script = Script(job("queued"), job("transcribing", 1), job("completed", 2))
    assert script.follow()["state"] == "completed"
    assert script.shown == ["queued", "transcribing", "completed"]


def test_an_outage_is_waited_out() -> None:
    script = Script(job("queued"), Unreachable("away"), Unreachable("away"), job("failed", 1))
    assert script.follow()["state"] == "failed"
    assert script.shown == ["queued", "the service is away", "the service is away", "failed"]


def test_a_long_outage_is_reported() -> None:
    script = Script(job("queued"), Unreachable("away"))
    with pytest.raises(Unreachable):
        script.follow()
    assert PATIENCE_SECONDS < script.time < PATIENCE_SECONDS + 2 * LOOKS.cap


def test_a_job_on_its_way_over_kafka_may_be_absent_for_a_while() -> None:
    absent = refused(NotFound, 404, "not_found")
    assert Script(absent, absent, job("completed")).follow(may_be_absent=True)["state"] == "completed"
    with pytest.raises(NotFound):
        Script(absent, job("completed")).follow()
    with pytest.raises(NotFound):
        Script(absent).follow(may_be_absent=True)


def test_a_refusal_is_reported_at_once() -> None:
    script = Script(refused(Unauthorized, 401, "unauthorized"))
    with pytest.raises(Unauthorized):
        script.follow(may_be_absent=True)
    assert script.time == 0


def test_looks_become_rarer_until_something_changes() -> None:
    script = Script(
        *(job("queued") for _ in range(12)), job("transcribing", 1), job("transcribing", 1), job("completed", 2)
    )
    script.follow()
    assert script.pauses == [LOOKS.wait(n) for n in (*range(1, 13), 1, 2)]


def test_lines_are_written_once_a_change(capsys: pytest.CaptureFixture[str]) -> None:
    with display(Console()) as shown:
        assert isinstance(shown, Lines)
        for state in ("queued", "queued", "transcribing"):
            shown.show(job(state))
    assert capsys.readouterr().out == "queued\ntranscribing\n"
