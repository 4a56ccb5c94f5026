"""One JSON object a line, from every thread and every library, and nothing in it that was not asked for."""

import json
import logging
from collections.abc import Iterator
from datetime import datetime
from threading import Thread
from typing import Literal

import pytest

from schemas.process import logs
from schemas.settings.service import ServiceSettings


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    """The root logger as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    """What was written, parsed."""
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_a_line_is_json_with_what_is_bound(capsys: pytest.CaptureFixture[str]) -> None:
    """Job, topic and offset come from the context; the text stays readable in any script."""
    logs.configure(ServiceSettings(), "scribe-test")
    with logs.bound(job_id="j", topic="scribe.jobs", offset=7):
        logging.getLogger("ours").warning("נעצר after %d s", 3)
    (line,) = lines(capsys)
    expected = {"event": "נעצר after 3 s", "job_id": "j", "topic": "scribe.jobs", "offset": 7, "process": "scribe-test"}
    assert expected.items() <= line.items()


@pytest.mark.parametrize(
    ("fields", "text", "level", "value", "time"),
    [
        ("plain", "event", "level", "warning", "timestamp"),
        ("gcp", "message", "severity", "WARNING", "time"),
        ("aws", "message", "level", "WARNING", "timestamp"),
        ("datadog", "message", "status", "warning", "timestamp"),
    ],
)
def test_fields_are_called_as_the_logger_reads_them(
    capsys: pytest.CaptureFixture[str],
    fields: Literal["plain", "gcp", "aws", "datadog"],
    text: str,
    level: str,
    value: str,
    time: str,
) -> None:
    """What is bound keeps its name."""
    logs.configure(ServiceSettings(log_fields=fields), "scribe-test")
    with logs.bound(job_id="j"):
        logging.getLogger("ours").warning("slow")
    (line,) = lines(capsys)
    assert (line[text], line[level], line["job_id"]) == ("slow", value, "j")
    assert datetime.fromisoformat(str(line[time])).tzinfo
    assert ({"event", "level", "timestamp"} & line.keys()) <= {text, level, time}


def test_lines_go_to_stdout_and_nothing_to_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(ServiceSettings(log_format="console"), "scribe-test")
    logging.getLogger("ours").error("x")
    said = capsys.readouterr()
    assert ("ours" in said.out, said.err) == (True, "")


def test_other_threads_are_named_too(capsys: pytest.CaptureFixture[str]) -> None:
    """Context does not cross threads, the name of the process does."""
    logs.configure(ServiceSettings(), "scribe-test")
    thread = Thread(target=lambda: logging.getLogger("ours").error("x"))
    thread.start()
    thread.join()
    assert lines(capsys)[0]["process"] == "scribe-test"


def test_a_message_is_written_once(capsys: pytest.CaptureFixture[str]) -> None:
    """Uvicorn sends a second one with colours along."""
    logs.configure(ServiceSettings(), "scribe-test")
    logging.getLogger("uvicorn.error").info("started", extra={"color_message": "\x1b[1mstarted"})
    assert "color_message" not in lines(capsys)[0]


def test_an_exception_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    """A traceback does not break the format."""
    logs.configure(ServiceSettings(), "scribe-test")
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("ours").exception("failed")
    (line,) = lines(capsys)
    assert "ValueError: boom" in str(line["exception"])


def test_only_known_fields_can_be_bound() -> None:
    """Text of transcripts has no way into the log by this door."""
    with pytest.raises(ValueError, match="text"), logs.bound(text="what somebody said"):
        pass


@pytest.mark.parametrize("name", logs.CHATTY)
def test_libraries_that_log_addresses_are_quiet(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A presigned address is a secret."""
    logs.configure(ServiceSettings(), "scribe-test")
    logging.getLogger(name).info("GET https://a.example/?signature=secret")
    assert lines(capsys) == []
