"""What the README shows works as it stands: the demo, and the snippets that publish and consume."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deploy.readme import README
from tests.fetched import DIARIZER, TRANSCRIBER, require_fetched
from tests.recordings import MONO
from tests.system.client import Client
from tests.system.media_server import MediaServer


def snippets(word: str) -> list[str]:
    """The Python blocks that contain a word."""
    return [block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if word in block]


@pytest.mark.timeout(300)
def test_the_demo_shows_transcripts_and_verified_webhooks(tmp_path: Path) -> None:
    """As a newcomer runs it, once the environment is there."""
    command = [sys.executable, "-m", "deploy.local.demo", "--stand-ins", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=README.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("signature verified") == 3
    assert "enhancement.completed" in done.stdout
    assert done.stdout.count("SPEAKER_01:") >= 2
    assert "MB in all" in done.stdout


@pytest.mark.timeout(600)
def test_the_demo_on_real_speech(tmp_path: Path) -> None:
    """The same with real models, where somebody has fetched them: four voices."""
    require_fetched(TRANSCRIBER, DIARIZER)
    command = [sys.executable, "-m", "deploy.local.demo", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=README.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("signature verified") == 2
    for words in ("fellow Americans", "my reports from the north", "SPEAKER_03:"):
        assert words.lower() in done.stdout.lower()


def test_the_snippets_publish_and_consume(client: Client, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody copies them, changes the addresses, and gets a transcript."""
    (publish,), (consume,) = snippets("producer.produce"), snippets("consumer.subscribe")
    with MediaServer({"call.opus": MONO.path.read_bytes()}) as server:
        published = run(client, publish.replace("https://media.example/call.mp3", server.url("call.opus")))
        client.wait(published["job"].job_id)
    run(client, consume)
    printed = [line for line in capsys.readouterr().out.splitlines() if str(published["job"].job_id) in line]
    assert len(printed) == 1
    assert "completed" in printed[0]


def run(client: Client, code: str) -> dict[str, Any]:
    """Execute a snippet against the running service; returns its variables."""
    variables: dict[str, Any] = {}
    exec(code.replace("127.0.0.1:9092", client.bootstrap).replace('"acme"', '"demo"'), variables)
    return variables
