"""`scribe jobs` and `scribe status`: what there is, what became of one, and ids that are whole and need not be."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from schemas.errors import ERRORS
from sink.memory import MemoryObjectStore
from tests.integration.commands import Run, for_shim, last_job
from tests.integration.rest import URL, rows
from tests.integration.shim import RunningShim, serving
from tests.integration.test_cli import in_terminal
from tests.samples import TRANSCRIPT


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def submitted(client: httpx.Client, **body: Any) -> str:
    answer = client.post("/api/v1/transcribe", json={"url": URL, **body})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def alike(client: httpx.Client, number: int) -> tuple[str, list[str]]:
    """Jobs whose ids begin alike, and what they begin with."""
    begins = uuid4().hex[:8]
    return begins, [submitted(client, job_id=str(UUID(begins + uuid4().hex[8:]))) for _ in range(number)]


def test_jobs_are_listed_by_filters_on_one_line_each(shim: RunningShim, client: httpx.Client, run_here: Run) -> None:
    older, newer = submitted(client, recording_id="call-17"), submitted(client, language="he", metadata={"crm": "42"})
    failed = last_job(shim)
    shim.fail(failed)
    done = run_here("jobs", **for_shim(shim))
    assert (done.returncode, done.stderr) == (0, "")
    head, *lines = done.stdout.splitlines()
    assert head.split() == ["JOB", "STATE", "REQUESTED", "(UTC)", "NAME", "RECORDING", "NOTE"]
    assert [line.split()[0] for line in lines] == [newer, older]
    assert "media_empty" in lines[0]
    assert lines[1].split()[-2:] == ["call.opus", "call-17"]
    for options, found in (
        (("--state", "failed", "--state", "cancelled"), [newer]),
        (("--state", "failed,queued"), [newer, older]),
        (("--recording-id", "call-17"), [older]),
        (("--language", "he", "--metadata", "crm=42"), [newer]),
        (("--name", "CALL", "--priority", "standard"), [newer, older]),
        (("--since", "2026-01-01", "--until", "2100-01-01T00:00:00"), [newer, older]),
        (("--until", "2026-01-01"), []),
        (("--since", "2026-01-01 12:00 UTC", "--until", "2100-01-01T12:00:00.250000Z"), [newer, older]),
        (("--model", "hebrew"), []),
        (("--all", "--limit", "1"), [newer, older]),
    ):
        listed = run_here("jobs", *options, "--json", **for_shim(shim))
        assert [json.loads(line)["job_id"] for line in listed.stdout.splitlines()] == found, options
    some = run_here("jobs", "--limit", "1", **for_shim(shim))
    assert (some.stdout.count("\n"), some.stderr) == (2, "there are more than 1: see --limit and --all\n")
    none = run_here("jobs", "--name", "nothing", **for_shim(shim))
    assert (none.returncode, none.stdout, none.stderr) == (0, "", "no jobs\n")
    wrong = run_here("jobs", "--state", "done", **for_shim(shim))
    assert (wrong.returncode, "unknown state `done`; there are queued, transcribing" in wrong.stderr) == (2, True)


def test_pages_are_put_together(
    shim: RunningShim, client: httpx.Client, run_here: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("producers.client.operations.jobs.PAGE", 2)
    jobs = [submitted(client) for _ in range(5)]
    for options, number in ((("--all",), 5), (("--limit", "3"), 3), (("--limit", "5"), 5), (("--limit", "9"), 5)):
        listed = run_here("jobs", *options, "--json", **for_shim(shim))
        assert [json.loads(line)["job_id"] for line in listed.stdout.splitlines()] == jobs[::-1][:number]
        assert bool(listed.stderr) == (number == 3)


def test_a_job_is_shown_with_all_that_is_known(shim: RunningShim, client: httpx.Client, run_here: Run) -> None:
    done_id = submitted(client, metadata={"crm": "42"})
    done = last_job(shim)
    failed_id, waiting_id = submitted(client), submitted(client, recording_id="call-17", language="he")
    shim.complete(done)
    shown = run_here("status", done_id[:8], **for_shim(shim))
    assert (shown.returncode, shown.stderr) == (0, "")
    for words in (done_id, "completed", "call.opus", "2 of 2 s", "a warning", "crm=42", "SPEAKER_00", "scribe result"):
        assert words in shown.stdout, words
    history = shown.stdout[shown.stdout.index("AT ") :].splitlines()
    assert [line.split()[4] for line in history[1:]] == ["queued", "completed"]
    waiting = run_here("status", f" {waiting_id.replace('-', '').upper()} ", **for_shim(shim))
    assert "1 of your standard jobs were requested before it and wait too" in waiting.stdout
    assert "call-17" in waiting.stdout
    shim.fail(replace(done, job_id=UUID(failed_id)))
    failed = run_here("status", failed_id, **for_shim(shim))
    assert "media_empty: The file is empty." in failed.stdout
    assert ERRORS["media_empty"].advice in failed.stdout
    as_json = json.loads(run_here("status", failed_id, "--json", **for_shim(shim)).stdout)
    assert as_json == client.get(f"/api/v1/jobs/{failed_id}").json()


def test_the_beginning_of_an_id_is_enough_for_every_command(
    shim: RunningShim, client: httpx.Client, run_here: Run, tmp_path: Path
) -> None:
    begins, (first, second) = alike(client, 2)
    shim.complete(last_job(shim))
    short = second[:18]
    for command in ("watch", "result", "status"):
        found = run_here(command, short, **for_shim(shim))
        assert (found.returncode, "hello there" in found.stdout or second in found.stdout) == (0, True), found
    out = tmp_path / "call.srt"
    assert run_here("result", f"{short}…", "-o", str(out), **for_shim(shim)).returncode == 0
    assert out.read_text().startswith("1\n")
    for command in ("watch", "result", "status", "cancel", "enhance"):
        options = ("--summarize",) if command == "enhance" else ()
        several = run_here(command, begins, *options, **for_shim(shim))
        assert (several.returncode, several.stdout) == (2, "")
        assert several.stderr.splitlines()[0] == f"several begin with '{begins}', write more of it:"
        assert {line.split()[0] for line in several.stderr.splitlines()[1:]} == {first, second}
        assert {line.split()[1] for line in several.stderr.splitlines()[1:]} == {"queued", "completed"}
        none = run_here(command, "0000", *options, **for_shim(shim))
        assert (none.returncode, "no job begins with '0000'" in none.stderr) == (2, True)
    stopped = run_here("cancel", first[:18].upper(), **for_shim(shim))
    assert (stopped.returncode, stopped.stdout) == (0, f"{first}  is asked to stop\n"), stopped.stderr
    direct = run_here("cancel", first[:18], "--direct", "--tenant", "acme", **for_shim(shim))
    assert (direct.returncode, "with --direct ids are whole" in " ".join(direct.stderr.split())) == (2, True)


def test_operators_name_jobs_by_the_beginnings_of_their_ids(
    shim: RunningShim, client: httpx.Client, run_here: Run
) -> None:
    values = {"SCRIBE_POSTGRES_DSN": shim.dsn}
    begins, (first, second) = alike(client, 2)
    whose = ("--tenant", "acme")
    for command in (("hold", "set", *whose, "--reason", "case", "--job", begins), ("erase", *whose, begins)):
        several = run_here(*command, **values)
        assert (several.returncode, several.stdout) == (2, "")
        assert all(f"{job}  acme queued" in several.stderr for job in (first, second))
    held = run_here("hold", "set", *whose, "--reason", "case 17", "--job", first[:18], **values)
    assert (held.returncode, held.stdout) == (0, f"held {first} of acme\n"), held.stderr
    assert run_here("hold", "list", **values).stdout.splitlines()[1].split()[:2] == ["acme", first]
    # only one of the two is held
    assert run_here("hold", "release", *whose, "--job", begins, **values).stdout == f"released {first} of acme\n"
    others = run_here("erase", "--tenant", "globex", first[:18], **values)
    assert (others.returncode, "no job begins with" in others.stderr) == (2, True)
    for _ in range(2):  # asked again it says the same
        erased = run_here("erase", *whose, second[:18].upper(), **values)
        assert (erased.returncode, erased.stdout.startswith(second)) == (0, True), erased.stderr


def test_ids_are_whole_on_a_narrow_terminal(shim: RunningShim, client: httpx.Client) -> None:
    job = submitted(client, recording_id="a recording with a very long name of its own")
    code, shown = in_terminal("jobs", **{**for_shim(shim), "COLUMNS": "40"})
    assert (code, job in shown) == (0, True), shown


def test_a_large_file_goes_in_pieces_and_only_once(shim: RunningShim, run_here: Run, tmp_path: Path) -> None:
    """A command that is called again finds what the one before has sent."""
    path = tmp_path / "large.wav"
    path.write_bytes(b"RIFF" * 5_000_000)
    for language in ("he", "en"):
        done = run_here(
            *("submit", str(path), "--language", language), **for_shim(shim), SCRIBE_API_RESUMABLE_BYTES="1000"
        )
        assert done.returncode == 0, done.stderr
        assert (last_job(shim).options.language, last_job(shim).source.name) == (language, "large.wav")
    assert rows(shim, "SELECT received_bytes FROM uploads") == [(20_000_000,)]


def test_a_file_whose_name_is_no_text_is_submitted(shim: RunningShim, run_here: Run, tmp_path: Path) -> None:
    for name, kept in ((b"caf\xe9 \x1b[31m.wav", "caf [31m.wav"), ("שיחה \u202e17.wav".encode(), "שיחה 17.wav")):
        path = os.fsencode(tmp_path) + b"/" + name
        Path(os.fsdecode(path)).write_bytes(b"RIFF")
        done = run_here("submit", os.fsdecode(path), **for_shim(shim))
        assert done.returncode == 0, done.stderr
        assert last_job(shim).source.name == kept
        assert kept in run_here("jobs", "--limit", "1", **for_shim(shim)).stdout
    assert TRANSCRIPT.warnings  # what `status` shows of it
