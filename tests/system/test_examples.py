"""The examples for other languages, as the documentation shows them, before the whole service."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from deploy.local.artifacts import artifacts_of, cache_folder, fetch
from deploy.local.errors import DownloadFailed
from deploy.readme import ROOT
from tests.recordings import HEBREW
from tests.scoring import word_error_rate
from tests.system.client import Client
from tests.system.media_server import MediaServer
from tests.system.sound import write_beginning

EXAMPLES = ROOT / "producers" / "examples"
SECONDS = 240
BUILD_SECONDS = 1200  # the packages of Go are compiled once a machine


def require(*programs: str) -> None:
    for program in programs:
        if shutil.which(program) is None:
            pytest.skip(f"{program} is not here")


@pytest.fixture
def arguments(client: Client, tmp_path: Path) -> Iterator[list[str]]:
    """Those that every example takes; one sentence is short enough to travel within its event."""
    recording = write_beginning(HEBREW.path, HEBREW.said[0].end, tmp_path / "call.wav")
    with MediaServer({"call.wav": recording.read_bytes()}) as server:
        yield [client.bootstrap, f"{client.service.api_url}/schema-registry", "demo", server.url("call.wav"), "he"]


def check(command: Sequence[str | Path], arguments: list[str], client: Client) -> None:
    """Run an example to its end: it prints what was said, and after a mistake why there is nothing."""
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr
    assert word_error_rate(HEBREW.said[0].text, done.stdout) <= 0.15, done.stdout
    job_id = done.stderr.split("job ")[1].split()[0]
    assert client.http.get(f"/api/v1/jobs/{job_id}").json()["source"].endswith("/call.wav")
    *broker, address, language = arguments
    wrong = [*command, *broker, address.replace("call.wav", "page.html"), language]
    failed = subprocess.run(wrong, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (failed.returncode != 0, failed.stdout, "not_media" in failed.stderr) == (True, "", True), failed.stderr


def test_the_shell(client: Client, arguments: list[str]) -> None:
    require("kcat", "curl", "jq", "od")
    check([EXAMPLES / "shell" / "transcribe.sh"], arguments, client)


def test_java(client: Client, arguments: list[str]) -> None:
    require("java", "javac")
    try:
        jars = fetch(artifacts_of("examples"), cache_folder())
    except DownloadFailed as error:
        pytest.skip(str(error))
    path = os.pathsep.join(map(str, jars))
    check(["java", "-cp", path, EXAMPLES / "java" / "Transcribe.java"], arguments, client)


@pytest.mark.long
def test_go(client: Client, arguments: list[str], tmp_path: Path) -> None:
    """The build takes a minute of CPU where it is the first one."""
    require("go")
    folder = EXAMPLES / "go"
    fetched = subprocess.run(["go", "mod", "download"], cwd=folder, capture_output=True, timeout=SECONDS, check=False)
    if fetched.returncode != 0:
        pytest.skip(f"go does not fetch its packages: {fetched.stderr[-300:]!r}")
    program = tmp_path / "transcribe"
    subprocess.run(["go", "build", "-o", program, "."], cwd=folder, check=True, timeout=BUILD_SECONDS)
    check([program], arguments, client)
