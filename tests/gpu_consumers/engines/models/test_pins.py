"""What an operator is told of a model that nothing pins, and that it pins the model."""

import hashlib
import logging
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpu_consumers.command import cli
from gpu_consumers.engines.loader import checked_digest, folder_of
from schemas.errors import Fatal
from schemas.models.registry import load_registry

REGISTRY = """default = "org/my.model"
diarizer = "d"
[models.d]
engine = "pyannote"
path = "nowhere"
[models."org/my.model"]
engine = "faster-whisper"
hub = "org/repository"
"""
COMMIT = "0123456789abcdef0123456789abcdef01234567"
BODY = b"weights"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A registry whose model came from the hub into its client's cache, at a commit that only the cache tells."""
    snapshot = tmp_path / "cache" / "models--org--repository" / "snapshots" / COMMIT
    snapshot.mkdir(parents=True)
    (snapshot / "model.bin").write_bytes(BODY)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text(COMMIT)
    file = tmp_path / "models.toml"
    file.write_text(REGISTRY)
    monkeypatch.setenv("SCRIBE_MODELS_FILE", str(file))
    monkeypatch.setenv("SCRIBE_MODELS_CACHE", str(tmp_path / "cache"))
    return file


def test_a_model_that_is_not_pinned_is_told_with_what_pins_it(
    registry: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """By the command, the list and the log of a process; the lines can be taken over as they are."""
    fetched = CliRunner().invoke(cli, ["models", "fetch", "org/my.model"])
    assert fetched.exit_code == 0
    assert "not pinned: hub org/repository\n" in CliRunner().invoke(cli, ["models", "list"]).stdout
    with caplog.at_level(logging.WARNING):
        folder_of(load_registry(registry).models["org/my.model"], tmp_path / "cache")
    assert "not pinned" in caplog.text

    _, lines = fetched.stderr.split("What pins it:\n")
    assert tomllib.loads(lines)["models"]["org/my.model"]["revision"] == COMMIT
    registry.write_text(REGISTRY + lines.replace('[models."org/my.model"]\n', "", 1))
    entry = load_registry(registry).models["org/my.model"]
    assert entry.pinned
    assert entry.sha256 == {"model.bin": hashlib.sha256(BODY).hexdigest()}
    again = CliRunner().invoke(cli, ["models", "fetch", "org/my.model"])
    assert (again.exit_code, again.stdout) == (0, fetched.stdout)
    assert "not pinned" not in again.stderr
    (Path(again.stdout.strip()) / "model.bin").write_bytes(b"others")
    with pytest.raises(Fatal, match=r"model\.bin is "):
        checked_digest(entry, folder_of(entry, tmp_path / "cache"))
