"""`scribe bulk` in this process, against a real shim: many lines, each with an outcome of its own."""

import json
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from producers.api.jobs import bulk
from producers.client.operations import jobs
from sink.memory import MemoryObjectStore
from tests.integration.commands import Run, for_shim
from tests.integration.rest import URL, rows
from tests.integration.shim import RunningShim, serving


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Five lines: three jobs, a blank one and a wrong one."""
    path = tmp_path / "jobs.ndjson"
    job = json.dumps({"url": URL})
    path.write_text(f"{job}\n{job}\n\n" + '{"url": "https://x.example/a", "langauge": "he"}' + f"\n{job}\n")
    return path


def test_each_line_is_a_job_or_says_why_not(
    shim: RunningShim, run_here: Run, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the lines go in several requests, and the numbers are those of the file."""
    monkeypatch.setattr("producers.cli.jobs.bulk.MOST_LINES", 2)
    done = run_here("bulk", str(file), **for_shim(shim))
    ids = done.stdout.split()
    assert (done.returncode, len(ids)) == (2, 3)
    first, last = done.stderr.splitlines()
    assert first.startswith("line 4: ")
    assert "did you mean `language`" in first
    assert last == "some lines have no job"
    assert {str(job_id) for (job_id,) in rows(shim, "SELECT job_id FROM jobs")} == set(ids)


def test_the_same_key_makes_no_job_twice(shim: RunningShim, run_here: Run, file: Path) -> None:
    key = str(uuid4())
    first, again = (run_here("bulk", str(file), "--key", key, "--json", **for_shim(shim)) for _ in range(2))
    outcomes, repeated = ([json.loads(line) for line in done.stdout.splitlines()] for done in (first, again))
    assert [outcome["job"] for outcome in outcomes] == [outcome["job"] for outcome in repeated]
    assert [(outcome["line"], outcome["status"]) for outcome in outcomes] == [(1, 202), (2, 202), (4, 422), (5, 202)]
    assert rows(shim, "SELECT count(*) FROM jobs") == [(3,)]


def test_a_lost_answer_says_how_to_go_on(run_here: Run, file: Path, deaf_port: int) -> None:
    done = run_here("bulk", str(file), SCRIBE_API_URL=f"http://127.0.0.1:{deaf_port}", SCRIBE_API_KEY="sr_live_x")
    assert (done.returncode, done.stdout) == (1, "")
    assert "SCRIBE_API_URL" in done.stderr


@pytest.mark.parametrize(("content", "words"), [(None, "No such file"), ("\n\n", "has no lines")])
def test_a_file_that_says_nothing_is_a_mistake(run_here: Run, tmp_path: Path, content: str | None, words: str) -> None:
    path = tmp_path / "jobs.ndjson"
    if content is not None:
        path.write_text(content)
    done = run_here("bulk", str(path), SCRIBE_API_KEY="sr_live_x")
    assert done.returncode == 2
    assert words in done.stderr


def test_it_sends_as_many_lines_as_the_shim_takes() -> None:
    assert (jobs.MOST_LINES, jobs.MOST_BYTES) == (bulk.MOST_LINES, bulk.MAX_BYTES)
