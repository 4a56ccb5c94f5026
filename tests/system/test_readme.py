"""What the README shows works as it stands: the snippets that publish and consume."""

import re
from typing import Any

import pytest

from deploy.readme import README
from tests.recordings import MONO
from tests.system.client import Client
from tests.system.media_server import MediaServer


def snippets(word: str) -> list[str]:
    """The Python blocks that contain a word."""
    return [block for block in re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL) if word in block]


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
