"""The demo works as the README shows it."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy.environment import ROOT
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
