"""`scribe rename`, `scribe correct` and `scribe revisions` as processes before a running shim."""

import json
from pathlib import Path

import httpx
import pytest

from schemas.events import JobRequested
from tests.integration.commands import Run, for_shim, scribe
from tests.integration.rest import request_of
from tests.integration.shim import RunningShim
from tests.integration.test_rest_revisions import SAID


@pytest.fixture
def request_(shim: RunningShim, client: httpx.Client) -> JobRequested:
    """A completed job."""
    request = request_of(client)
    shim.complete(request, SAID)
    return request


def result(run_here: Run, shim: RunningShim, request: JobRequested, *options: str) -> list[str]:
    done = run_here("result", str(request.job_id), "--format", "tsv", *options, **for_shim(shim))
    assert done.returncode == 0, done.stderr
    return ["|".join(line.split("\t")[2:]) for line in done.stdout.splitlines()[1:]]


def test_speakers_get_names_and_lines_their_words(shim: RunningShim, run_here: Run, request_: JobRequested) -> None:
    values, job = for_shim(shim), str(request_.job_id)
    named = run_here("rename", job[:8], "SPEAKER_00=Anna Levi", "SPEAKER_01=Ben", **values)
    assert (named.returncode, named.stderr) == (0, "")
    assert named.stdout == "revision 1: SPEAKER_00 is Anna Levi; SPEAKER_01 is Ben\n"
    said = run_here("correct", job, "0", "hello  rhubarb", "--speaker", "Ben", **values)
    assert said.stdout == "revision 2: segment 0 is said by SPEAKER_01; segment 0 says “hello rhubarb”\n"
    assert result(run_here, shim, request_) == ["Ben|hello rhubarb", "Ben|hi there", "Anna Levi|bye"]
    assert result(run_here, shim, request_, "--revision", "1")[0] == "Anna Levi|helo rhubarb"
    assert result(run_here, shim, request_, "--revision", "machine")[0] == "SPEAKER_00|helo rhubarb"
    again = run_here("rename", job, "Ben=Ben", **values)
    assert (again.returncode, again.stdout) == (0, "nothing to change: all of it is so already\n")
    listed = run_here("revisions", job, **values).stdout.splitlines()
    assert [line.split()[0] for line in listed] == ["NUMBER", "2", "1"]
    assert "SPEAKER_00 is Anna Levi" in listed[2]


def test_a_file_of_corrections_is_made_at_once(
    shim: RunningShim, run_here: Run, request_: JobRequested, tmp_path: Path
) -> None:
    file = tmp_path / "corrections.ndjson"
    file.write_text('{"index": 1, "text": "שלום"}\n\n{"index": 2, "speaker": "SPEAKER_01"}\n', "utf-8")
    done = run_here("correct", str(request_.job_id), "--file", str(file), "--json", **for_shim(shim))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["revision"] == 1
    assert result(run_here, shim, request_)[1:] == ["SPEAKER_01|שלום", "SPEAKER_01|bye"]


def test_what_was_corrected_meanwhile_is_not_overwritten(
    shim: RunningShim, run_here: Run, request_: JobRequested
) -> None:
    values, job = for_shim(shim), str(request_.job_id)
    assert run_here("correct", job, "0", "first", "--after", "0", **values).returncode == 0
    done = run_here("correct", job, "0", "second", "--after", "0", **values)
    assert done.returncode == 2
    assert "The transcript was corrected meanwhile" in done.stderr
    assert "it is at revision 1" in done.stderr
    assert result(run_here, shim, request_)[0] == "SPEAKER_00|first"
    assert run_here("correct", job, "0", "second", "--after", "1", **values).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["rename", "JOB", "SPEAKER_0=Anna"], "did you mean `SPEAKER_0"),
        (["rename", "JOB", "Anna"], "'Anna' is not SPEAKER=NAME"),
        (["rename", "JOB", "SPEAKER_00=a", "SPEAKER_00=b"], "given more than once"),
        (["correct", "JOB"], "name one segment, or a file of corrections"),
        (["correct", "JOB", "0"], "say what is said in it, or who says it"),
        (["correct", "JOB", "9", "x"], "there is no segment 9: they are counted from 0 to 2"),
        (["correct", "JOB", "--file", "/nowhere/c.ndjson"], "No such file"),
        (["result", "JOB", "--revision", "7"], "revision 7"),
    ],
)
def test_mistakes_are_named(
    shim: RunningShim, run_here: Run, request_: JobRequested, arguments: list[str], message: str
) -> None:
    done = run_here(*[str(request_.job_id) if word == "JOB" else word for word in arguments], **for_shim(shim))
    assert done.returncode == 2
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_a_line_that_is_not_json_is_named(
    shim: RunningShim, run_here: Run, request_: JobRequested, tmp_path: Path
) -> None:
    file = tmp_path / "c.ndjson"
    file.write_text('{"index": 1, "text": "x"}\nhello\n')
    done = run_here("correct", str(request_.job_id), "--file", str(file), **for_shim(shim))
    assert done.returncode == 2
    assert "line 2: is not JSON" in " ".join(done.stderr.replace("│", " ").split())


@pytest.mark.parametrize("command", ["rename", "correct", "revisions"])
def test_help_teaches_by_examples(command: str) -> None:
    done = scribe(command, "--help")
    assert done.returncode == 0
    assert f"scribe {command} 0b7e1d" in done.stdout
