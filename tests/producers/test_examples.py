"""The Avro of the shell's example: what jq makes of every event is what fastavro makes of it."""

import json
import shutil
import subprocess
from typing import Any

import fastavro
import pytest

from deploy.readme import ROOT
from schemas.events import Event
from schemas.wire.avro_reading import current_schema
from schemas.wire.release import schema_text
from schemas.wire.serde import Serde
from tests.foreign import body_of, plain, without_logic
from tests.samples import BARE_REQUEST, FULL_REQUEST, SAMPLES

SHELL = ROOT / "producers" / "examples" / "shell"

pytestmark = pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not here")


def jq(program: str, value: Any, schema: str) -> Any:
    command = ["jq", "-c", "-L", str(SHELL), "--arg", "text", schema]
    command.append(f'include "avro"; ($text | fromjson) as $schema | {program}')
    done = subprocess.run(command, input=json.dumps(value), capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


def written(event: Event) -> bytes:
    return body_of(fastavro.parse_schema(without_logic(current_schema(event.KIND))), plain(event))


@pytest.mark.parametrize("event", SAMPLES.values(), ids=list(SAMPLES))
def test_every_event_is_read(event: Event) -> None:
    assert jq("read($schema)", list(written(event)), schema_text(event.KIND)) == plain(event)


def test_a_job_is_written_with_its_defaults() -> None:
    body = {name: value for name, value in plain(BARE_REQUEST).items() if value not in (None, {}, "standard")}
    assert bytes(jq("write($schema)", body, schema_text(BARE_REQUEST.KIND))) == written(BARE_REQUEST)


def test_the_header_is_confluents() -> None:
    value = Serde().encode(FULL_REQUEST)
    assert jq("header_id", list(value), "{}") == int.from_bytes(value[1:5], "big")
    assert jq("header", 66051, "{}") == [0, 0, 1, 2, 3]
    assert jq("escaped", [0, 7, 255], "{}") == r"\0000\0007\0377"
