"""Held-out speech through the whole service: words, speakers in time, and speakers of words."""

import sys
from functools import reduce
from operator import add
from pathlib import Path
from uuid import UUID

import pytest

from deploy.local.models.training.heard import heard, is_new
from deploy.local.models.training.sentences import Sentence
from schemas.wire.serde import transcript_from_json
from tests.heldout import HeldOut, held_out
from tests.scoring import Counts, Said, count
from tests.system.client import Client
from tests.system.sound import write_wav

SECONDS = 180  # of speech that no stand-in was trained on, at least


def test_nothing_of_it_was_trained_on() -> None:
    """No sentence in the voice that says it; and it is long enough to mean something."""
    assert len(heard()) > 10_000
    assert sum(item.conversation.duration for item in held_out()) >= SECONDS
    for item in held_out():
        for utterance in item.conversation.utterances:
            sentence = Sentence(item.conversation.language, utterance.text)
            assert is_new(sentence, item.voices[utterance.speaker])


@pytest.mark.timeout(400)
def test_words_and_speakers_are_right(client: Client, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At most 10 % of words wrong, at most 12 % of time with a wrong speaker, at least 93 % of words with the right one."""
    items = held_out()
    jobs = {
        item.name: client.upload(write_wav(item.conversation.mono, tmp_path / f"{item.name}.wav")) for item in items
    }
    counts = {item.name: scored(client, item, jobs[item.name]) for item in items}
    total = reduce(add, counts.values())
    scores = {
        "word error rate": total.word_error_rate,
        "diarization error rate": total.diarization_error_rate,
        "words with the right speaker": total.right_speakers,
    }
    with capsys.disabled():
        sys.stdout.write(
            "\nheld-out speech: " + ", ".join(f"{name} {value:.1%}" for name, value in scores.items()) + "\n"
        )
    assert total.word_error_rate <= 0.10, counts
    assert total.diarization_error_rate <= 0.12, counts
    assert total.right_speakers >= 0.93, counts


def scored(client: Client, item: HeldOut, job_id: UUID) -> Counts:
    """One conversation against what REST says was heard."""
    job = client.wait(job_id, 180)
    assert job["state"] == "completed", job
    said = [Said(u.start, u.end, f"voice {u.speaker}", u.text) for u in item.conversation.utterances]
    return count(said, transcript_from_json(client.transcript(job_id).json()))
