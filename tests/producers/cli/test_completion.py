"""Completion of words that are known without asking anybody."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from producers.cli.app import create_cli

SHIPPED = "ivrit-ai/whisper-large-v3-ct2"
KNOWN = {
    "jobs --state tr": {"transcribing"},
    "jobs --state failed,ca": {"failed,cancelled"},
    "jobs --language h": {"he", "hi"},
    "submit x --language h": {"he", "hi"},
    "search x --language h": {"he", "hi"},
    "replay --language h": {"he", "hi"},
    "jobs --model ivrit-ai/whisper-large-v3-c": {SHIPPED},
    "submit x --model ivrit-ai/whisper-large-v3-c": {SHIPPED},
    "replay --model ivrit-ai/whisper-large-v3-c": {SHIPPED},
    "tenants set acme --model ivrit-ai/whisper-large-v3-c": {SHIPPED},
    "dlq skip pers": {"persist"},
}


def completed(line: str, **environment: str) -> set[str]:
    """What bash is offered at the end of a line."""
    asked = {
        "_SCRIBE_COMPLETE": "complete_bash",
        "COMP_WORDS": f"scribe {line}",
        "COMP_CWORD": str(line.count(" ") + 1),
    }
    done = CliRunner().invoke(create_cli(), [], prog_name="scribe", env={**asked, **environment})
    return set(done.stdout.split())


@pytest.mark.parametrize("line", KNOWN)
def test_known_words_are_completed(line: str) -> None:
    assert completed(line, SCRIBE_MODELS_FILE="") >= KNOWN[line]
    assert all(word.startswith(line.split()[-1]) for word in completed(line, SCRIBE_MODELS_FILE=""))


def test_models_are_those_of_the_file_that_is_set(tmp_path: Path) -> None:
    own = tmp_path / "models.toml"
    own.write_text('[models."large-own"]\n[models.small]\n')
    assert completed("submit x --model l", SCRIBE_MODELS_FILE=str(own)) == {"large-own"}


@pytest.mark.parametrize("text", [None, b"[models", b"models = 3", b"models = ['x']", b"\xff\xfe"])
def test_a_file_that_cannot_be_read_completes_nothing(tmp_path: Path, text: bytes | None) -> None:
    own = tmp_path / "models.toml"
    if text is not None:
        own.write_bytes(text)
    assert completed("submit x --model ivrit", SCRIBE_MODELS_FILE=str(own)) == set()
