"""How well held-out conversations are transcribed and diarized, through both stages as they are in production."""

from dataclasses import replace
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest

from deploy.local.models.training.heard import digest, heard, is_new
from deploy.local.models.training.registry import FILE as MODELS
from deploy.local.models.training.sentences import Sentence
from gpu_consumers.loading import LoadedEngines
from schemas.events import Options, Source, TranscriptReady
from schemas.models import load_registry
from schemas.objects import upload_key
from schemas.settings import GpuSettings, ModelSettings
from schemas.topics import JOBS, TRANSCRIPTS
from schemas.transcript import Transcript
from tests.gpu_consumers.scripted import Reports, Rig
from tests.heldout import HeldOut, held_out
from tests.media_files import encoded
from tests.samples import BARE_REQUEST
from tests.scoring import Counts, Said, count

pytestmark = pytest.mark.models
MOST_WORD_ERRORS = 0.10
MOST_TIME_ERRORS = 0.12
LEAST_RIGHT_SPEAKERS = 0.93


def said(item: HeldOut) -> list[Said]:
    return [Said(u.start, u.end, f"voice {u.speaker}", u.text) for u in item.conversation.utterances]


def test_nothing_of_it_was_trained_on() -> None:
    """No sentence in the voice that says it; and it is long enough to mean something."""
    assert len(heard()) > 10_000
    assert sum(item.conversation.duration for item in held_out()) >= 180
    for item in held_out():
        for utterance in item.conversation.utterances:
            sentence = Sentence(item.conversation.language, utterance.text)
            assert is_new(sentence, item.voices[utterance.speaker])
    assert digest(sentence, item.voices[0]) != digest(sentence, item.voices[1])


def test_accuracy(tmp_path: Path) -> None:
    """Opus in, the language unknown: word errors, errors in time, and words with the right speaker."""
    registry = load_registry(MODELS)
    rig = Rig(tmp_path, engines=LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu")))  # type: ignore[arg-type]
    rig.transcribe.registry = registry
    total = Counts()
    for index, item in enumerate(held_out()):
        counted = count(said(item), transcript_of(rig, UUID(int=index + 1), item))
        print(f"{item.name}: {counted}")  # noqa: T201 - what `score` shows
        total += counted
    print(  # noqa: T201
        f"word errors {total.word_error_rate:.1%}, time errors {total.diarization_error_rate:.1%}, "
        f"words with the right speaker {total.right_speakers:.1%}"
    )
    assert total.word_error_rate <= MOST_WORD_ERRORS
    assert total.diarization_error_rate <= MOST_TIME_ERRORS
    assert total.right_speakers >= LEAST_RIGHT_SPEAKERS


def transcript_of(rig: Rig, upload: UUID, item: HeldOut) -> Transcript:
    """From the encoded recording to the result of the second stage."""
    body = encoded(np.ascontiguousarray(item.conversation.mono), "ogg", rate=16_000)
    rig.store.put(upload_key("acme", upload), body, content_type="audio/ogg")
    request = replace(BARE_REQUEST, job_id=upload, source=Source(uri=f"upload://{upload}"), options=Options())
    (ready,) = rig.transcribe.run(rig.transcribe.decode(rig.delivery(JOBS, request)), Reports())
    assert isinstance(ready.event, TranscriptReady)
    (done,) = rig.diarize.run(rig.diarize.decode(rig.delivery(TRANSCRIPTS, ready.event)), Reports())
    transcript = getattr(done.event, "transcript", None)
    assert isinstance(transcript, Transcript)
    return transcript
