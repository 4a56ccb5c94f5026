"""The official Python and Node clients of OpenAI before the whole service: real jobs, nothing of theirs changed."""

import asyncio
import json
import os
import re
import subprocess
from collections.abc import Iterator
from functools import reduce
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types.audio import TranscriptionDiarized, TranscriptionVerbose

from deploy.readme import ROOT
from tests.heldout import HeldOut, held_out
from tests.node_packages import require_package
from tests.recordings import MONO
from tests.scoring import word_error_rate
from tests.system.client import Client
from tests.system.sound import write_wav

SCRIPT = Path(__file__).with_name("openai_client.js")
MODEL = "whisper-1"
WRONG_WORDS = 0.15  # as test_held_out has it, of one recording alone
NODE_SECONDS = 120


@pytest.fixture(scope="module")
def spoken() -> HeldOut:
    """Two voices whose sentences no stand-in was trained on."""
    return held_out()[0]


@pytest.fixture(scope="module")
def recording(spoken: HeldOut, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_wav(spoken.conversation.mono, tmp_path_factory.mktemp("openai") / "held-out.wav")


@pytest.fixture
def official(client: Client) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{client.service.api_url}/v1", api_key=key_of(client)) as opened:
        yield opened


def key_of(client: Client) -> str:
    return str(client.http.headers["X-API-Key"])


def check_text(spoken: HeldOut, text: str) -> None:
    said = " ".join(utterance.text for utterance in spoken.conversation.utterances)
    assert word_error_rate(said, text) <= WRONG_WORDS, text


def test_the_python_client(client: Client, official: openai.OpenAI, spoken: HeldOut, recording: Path) -> None:
    """Every form; those that tell nobody apart are of one job, which is found again."""
    create = official.audio.transcriptions.create
    plain = create(file=recording, model=MODEL, language="en")
    check_text(spoken, plain.text)
    verbose = create(file=recording, model=MODEL, language="en", response_format="verbose_json")
    assert isinstance(verbose, TranscriptionVerbose)
    assert (verbose.language, verbose.text) == ("english", plain.text)
    assert verbose.duration == pytest.approx(spoken.conversation.duration, abs=0.1)
    assert create(file=recording, model=MODEL, language="en", response_format="text") == f"{plain.text}\n"
    srt = create(file=recording, model=MODEL, language="en", response_format="srt")
    assert srt.startswith("1\n00:00:0")
    assert "SPEAKER" not in srt
    assert create(file=recording, model=MODEL, language="en", response_format="vtt").startswith("WEBVTT\n")
    diarized = create(file=recording, model=MODEL, language="en", response_format="diarized_json")
    assert isinstance(diarized, TranscriptionDiarized)
    assert {segment.speaker for segment in diarized.segments} == {"A", "B"}
    check_text(spoken, diarized.text)
    jobs = client.query("SELECT count(*) FROM jobs WHERE request -> 'source' ->> 'name' = %s", recording.name)
    assert jobs == [(2,)]


def test_the_async_client_and_its_stream(client: Client, spoken: HeldOut, recording: Path) -> None:
    async def ask() -> list[Any]:
        async with openai.AsyncOpenAI(base_url=f"{client.service.api_url}/v1", api_key=key_of(client)) as opened:
            stream = await opened.audio.transcriptions.create(file=recording, model=MODEL, language="en", stream=True)
            return [event async for event in stream]

    *deltas, done = asyncio.run(ask())
    assert done.type == "transcript.text.done"
    assert "".join(delta.delta for delta in deltas) == done.text
    check_text(spoken, done.text)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # says their client of all translations
def test_what_goes_wrong_is_an_exception_of_the_python_client(client: Client, official: openai.OpenAI) -> None:
    """A broken recording is found out by its job; the stand-ins cannot translate."""
    with pytest.raises(openai.BadRequestError) as broken:
        official.audio.transcriptions.create(file=("broken.wav", b"no recording"), model=MODEL)
    assert (broken.value.code, broken.value.param, broken.value.type) == ("not_media", "file", "invalid_request_error")
    job_id = broken.value.response.headers["x-scribe-job-id"]
    assert client.http.get(f"/api/v1/jobs/{job_id}").json()["state"] == "failed"
    with pytest.raises(openai.BadRequestError, match="does not translate"):
        official.audio.translations.create(file=MONO.path, model=MODEL)
    with pytest.raises(openai.NotFoundError, match="known: whisper-tiny-espeak"):
        official.audio.transcriptions.create(file=MONO.path, model="gpt-4o-transcribe")
    stranger = official.with_options(api_key="sr_live_none")
    with pytest.raises(openai.AuthenticationError):
        stranger.models.list()


def page_snippet(client: Client, kind: str) -> str:
    """The lines of the page for one of the clients, with this service and a recording that is here."""
    page = (ROOT / "producers/README.md").read_text().partition("\n## OpenAI's clients\n")[2]
    found = re.search(rf"```{kind}\n(.*?)```", page, re.DOTALL)
    assert found
    here = {"http://127.0.0.1:8000": client.service.api_url, "sr_live_…": key_of(client), "call.mp3": str(MONO.path)}
    return reduce(lambda text, name: text.replace(name, here[name]), here, found[1])


def test_the_lines_of_the_page_work_as_they_stand(
    client: Client, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Python, Node and curl; each prints the transcript."""
    exec(page_snippet(client, "python"), {})
    assert word_error_rate(MONO.text, capsys.readouterr().out) <= WRONG_WORDS
    environment = {**os.environ, "SCRIBE_API_URL": client.service.api_url, "SCRIBE_API_KEY": key_of(client)}
    srt = subprocess.run(
        page_snippet(client, "sh"), shell=True, env=environment, capture_output=True, text=True, check=True
    )
    assert srt.stdout.startswith("1\n00:00:0")
    script = tmp_path / "page.mjs"
    script.write_text(page_snippet(client, "js"))
    (tmp_path / "node_modules").mkdir()
    (tmp_path / "node_modules/openai").symlink_to(require_package("openai@6.49.0"))
    command = ["node", "--preserve-symlinks", str(script)]
    said = subprocess.run(command, capture_output=True, text=True, timeout=NODE_SECONDS, check=True)
    assert word_error_rate(MONO.text, said.stdout) <= WRONG_WORDS


def test_the_node_client(client: Client, spoken: HeldOut, recording: Path) -> None:
    """The same, by the package as npm has it."""
    package = require_package("openai@6.49.0")
    arguments = [str(package), f"{client.service.api_url}/v1", key_of(client), str(recording)]
    done = subprocess.run(
        ["node", str(SCRIPT), *arguments], capture_output=True, text=True, timeout=NODE_SECONDS, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    told = {line["name"]: line["value"] for line in map(json.loads, done.stdout.splitlines())}
    assert told["models"] == [MODEL, "whisper-tiny-espeak"]
    text = told["json"]["text"]
    check_text(spoken, text)
    assert told["json"]["usage"]["type"] == "duration"
    assert told["text"] == f"{text}\n"
    assert (told["srt"][:2], told["vtt"][:6]) == ("1\n", "WEBVTT")
    assert {segment["speaker"] for segment in told["diarized_json"]["segments"]} == {"A", "B"}
    verbose = told["verbose_json"]
    assert (verbose["language"], verbose["text"]) == ("english", text)
    assert [word["word"] for word in verbose["words"]] == text.split()
    *deltas, end = told["events"]
    assert "".join(delta["delta"] for delta in deltas) == end["text"] == text
    assert client.http.get(f"/api/v1/jobs/{told['job']}").json()["state"] == "completed"
    errors = {name: told[name] for name in ("AuthenticationError", "NotFoundError", "BadRequestError", "broken")}
    assert {name: (error["kind"], error["status"], error["code"]) for name, error in errors.items()} == {
        "AuthenticationError": ("AuthenticationError", 401, "unauthorized"),
        "NotFoundError": ("NotFoundError", 404, "unknown_model"),
        "BadRequestError": ("BadRequestError", 400, "invalid_request"),
        "broken": ("BadRequestError", 400, "not_media"),
    }
