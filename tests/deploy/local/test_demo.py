"""The demo works as the README shows it."""

import json
import re
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from deploy.environment import ROOT
from deploy.local.demo import CONVERSATION, app
from tests.bench.real_speech.word_scores import word_errors
from tests.fetched import DIARIZER, TRANSCRIBER, require_fetched

MOST_WRONG = 0.1  # of the words that are printed, by Whisper base


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


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a transcript as it is printed."""

    start: float
    speaker: str
    text: str


def printed(shown: str) -> list[Line]:
    """The lines of the transcript."""
    found = re.findall(r"^\[(\d\d):(\d\d):(\d\d)\] (SPEAKER_\d\d): (.+)$", shown, re.MULTILINE)
    return [Line(3600 * int(h) + 60 * int(m) + int(s), speaker, text) for h, m, s, speaker, text in found]


def people(lines: list[Line], turns: list[dict[str, Any]]) -> dict[str, str]:
    """Who each speaker is: the person who speaks when most of the lines begin."""
    found: dict[str, Counter[str]] = {}
    for line in lines:
        turn = max((turn for turn in turns if turn["start"] < line.start + 1), key=itemgetter("start"))
        found.setdefault(line.speaker, Counter())[turn["speaker"]] += 1
    return {speaker: counted.most_common(1)[0][0] for speaker, counted in found.items()}


@pytest.mark.timeout(600)
def test_the_demo_on_real_speech(tmp_path: Path) -> None:
    """Real models, where somebody has fetched them, from the recording to what a user reads: whole sentences, four voices."""
    require_fetched(TRANSCRIBER, DIARIZER)
    command = [sys.executable, "-m", "deploy.local.demo", "--dir", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("signature verified") == 2
    reference = json.loads(CONVERSATION.with_suffix(".json").read_text())
    lines = printed(done.stdout)
    errors = word_errors(" ".join(turn["text"] for turn in reference["turns"]), " ".join(line.text for line in lines))
    assert (errors.rate or 0) <= MOST_WRONG, done.stdout
    assert errors.words > 200
    known = people(lines, reference["turns"])
    assert len(known) == len(set(known.values())) == len({turn["speaker"] for turn in reference["turns"]}), known
