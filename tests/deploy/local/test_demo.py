"""The demo works as the README shows it."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.environment import ROOT
from deploy.local.demo import app
from tests.fetched import DIARIZER, TRANSCRIBER, require_fetched


@pytest.mark.timeout(600)
def test_the_demo_shows_transcripts_and_verified_webhooks(tmp_path: Path) -> None:
    """As a newcomer runs it, once the environment is there."""
    command = [sys.executable, "-m", "deploy.local.demo", "--stand-ins", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("signature verified") == 3
    assert "enhancement.completed" in done.stdout
    assert done.stdout.count("SPEAKER_01:") >= 2
    assert "MB in all" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (
            ["--language", "English"],
            "'English' with model 'whisper-base'; it knows: what Whisper knows, by codes such as he",
        ),
        (["--model", "whisper-bass"], "did you mean `whisper-base`"),
        (["--model", "pyannote-campplus"], "known: ivrit-ai/"),
        (["--stand-ins", "--language", "fr"], "it knows: en, he"),
        (["--stand-ins", "--model", "large-v3"], "large-v3 is not one of the stand-ins"),
        (["nowhere.mp3"], "'nowhere.mp3' does not exist"),
    ],
)
def test_what_cannot_be_shown_is_refused_before_anything_starts(words: list[str], says: str) -> None:
    """Not after a minute, by the process that could not do it."""
    refused = CliRunner().invoke(app, words, prog_name="deploy/demo", terminal_width=300)
    assert refused.exit_code == 2
    assert says in refused.output
    assert "Usage: deploy/demo" in refused.output


@pytest.mark.timeout(600)
def test_the_demo_on_real_speech(tmp_path: Path) -> None:
    """The same with real models, where somebody has fetched them: four voices."""
    require_fetched(TRANSCRIBER, DIARIZER)
    command = [sys.executable, "-m", "deploy.local.demo", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("signature verified") == 2
    for words in ("fellow Americans", "my reports from the north", "SPEAKER_03:"):
        assert words.lower() in done.stdout.lower()
