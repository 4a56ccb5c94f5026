"""The command scribe-gpu at its door: mistakes are named, and cost no model."""

import os
import subprocess
import sys

import pytest


def scribe_gpu(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "gpu_consumers", *arguments],
        env={**os.environ, "NO_COLOR": "1", **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_tells_what_to_set() -> None:
    done = scribe_gpu("--help")
    assert done.returncode == 0
    for word in ("--stages", "SCRIBE_WORKER_ID", "SCRIBE_DRAIN_SECONDS"):
        assert word in done.stdout


@pytest.mark.parametrize("stages", ["", "translate", "transcribe,transcribe"])
def test_unknown_stages_are_refused(stages: str) -> None:
    done = scribe_gpu("--stages", stages)
    assert done.returncode == 2
    assert "transcribe, diarize" in done.stderr


def test_every_wrong_setting_is_named_at_once() -> None:
    done = scribe_gpu(SCRIBE_KAFKA_BOOTSTRAP="nowhere", SCRIBE_DRAIN_SECONDS="soon")
    assert done.returncode == 2
    assert "SCRIBE_KAFKA_BOOTSTRAP" in done.stderr
    assert "SCRIBE_DRAIN_SECONDS" in done.stderr


def test_the_fake_stage_does_not_split_its_work() -> None:
    done = scribe_gpu("--fake", SCRIBE_ENVIRONMENT="development")
    assert done.returncode == 2
    assert "--stages transcribe" in done.stderr


def test_invented_transcripts_are_for_development_only() -> None:
    done = scribe_gpu("--fake", "--stages", "transcribe", SCRIBE_ENVIRONMENT="production")
    assert done.returncode == 2
    assert "SCRIBE_ENVIRONMENT=development" in done.stderr
