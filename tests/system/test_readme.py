"""What the pages show works as it stands: the demo, and the snippets that publish, consume and verify."""

import json
import re
import secrets
import time
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from deploy.readme import pages
from producers.api.webhooks.payloads import DESCRIBED
from sink.webhooks.signature import format_secret, message_id, signed_headers
from tests.system.client import Client
from tests.system.media_server import MediaServer


def snippets(word: str) -> list[str]:
    """The Python blocks of all pages that contain a word."""
    blocks = (block for page in pages() for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL))
    return [block for block in blocks if word in block]


def test_the_snippets_publish_and_consume(client: Client, short_call: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Somebody copies them, changes the addresses, and gets a transcript."""
    (publish,), (consume,) = snippets("producer.produce"), snippets("consumer.subscribe")
    with MediaServer({"call.wav": short_call.read_bytes()}) as server:
        published = run(client, publish.replace("https://media.example/call.mp3", server.url("call.wav")))
        client.wait(published["job"].job_id)
    run(client, consume)
    printed = [line for line in capsys.readouterr().out.splitlines() if str(published["job"].job_id) in line]
    assert len(printed) == 1
    assert "completed" in printed[0]


def test_the_snippet_of_receivers_verifies_a_webhook() -> None:
    """Of a job that completed; one that was changed on its way raises."""
    (verify,) = snippets("standardwebhooks")
    secret, body = secrets.token_bytes(32), json.dumps(DESCRIBED["job.completed"].example).encode()
    code = verify.replace("whsec_…", format_secret(secret))
    called: dict[str, Any] = {
        "body": body,
        "headers": signed_headers([secret], message_id(uuid4()), int(time.time()), body),
    }
    exec(code, called)
    assert called["job_id"] == DESCRIBED["job.completed"].example["data"]["job_id"]
    with pytest.raises(Exception, match="signature"):
        exec(code, called | {"body": body + b" "})


def run(client: Client, code: str) -> dict[str, Any]:
    """Execute a snippet against the running service; returns its variables."""
    variables: dict[str, Any] = {}
    exec(code.replace("127.0.0.1:9092", client.bootstrap).replace('"acme"', '"demo"'), variables)
    return variables
