"""The bodies of webhooks stay what they are, byte for byte.

`python -m tests.streams.webhooks.test_golden_bodies` writes those of new cases; what is there is never written again.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest

from schemas.events import Audio, ClaimCheck, EnhancementResult, Entity, JobError, Options, Outcome, Source
from schemas.transcript import Segment
from streams.webhooks import enhancement_payload
from streams.webhooks.job_payload import as_failed, body_of, numbered, payload_of
from tests.samples import AT, SHA, TRANSCRIPT
from tests.streams.jobs import Job, saying

GOLDEN = Path(__file__).parent / "golden" / "bodies.json"
URL = "https://scribe.example/"
JOB = Job(job_id=UUID("0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11"))
DONE = JOB.result()
FAILURE = JobError(kind="internal", code="internal", message="It went wrong – très mal.")
ENHANCED = EnhancementResult(
    event_id=UUID(int=1),
    job_id=JOB.job_id,
    run=2,
    tenant="acme",
    enhancement_id=UUID("5d0c3a56-07cf-4c0e-8f3d-6a8f4a2f7b20"),
    outcome=Outcome.COMPLETED,
    summary="Anna is greeted.",
    entities=(Entity(text="anna", kind="person", start=0.75, end=1.5), Entity(text="monday", kind="date")),
    model="small",
    tokens=312,
    completed_at=AT.replace(microsecond=0),
)
STRANGE = (
    Segment(start=float("nan"), end=2.0, text="a\x00b \ud800 \u2028"),
    Segment(start=0, end=float("inf"), text="", speaker="", channel=1),
)
ODD = replace(
    JOB.request().without_query(),
    recording_id="r" * 300,
    source=Source(uri="upload://x", name="n\x00" * 300),
    options=Options(language="x" * 300),
)


def payloads() -> Iterator[tuple[str, Mapping[str, object]]]:
    """Cases by name."""
    yield "completed", payload_of(DONE, URL)
    yield "failed", payload_of(JOB.result(outcome=Outcome.FAILED), URL)
    yield "cancelled", payload_of(JOB.result(outcome=Outcome.CANCELLED), "https://scribe.example")
    yield "without its segments", payload_of(replace(DONE, transcript=saying("x" * 12_000)), URL)
    yield "without its text", payload_of(replace(DONE, transcript=saying("x" * 30_000)), URL)
    claim = ClaimCheck(uri="s3://scribe/acme/claim", size_bytes=9, sha256=SHA)
    yield "kept elsewhere", payload_of(replace(DONE, transcript=None, claim_check=claim), URL)
    yield "of strange values", payload_of(replace(DONE, transcript=replace(TRANSCRIPT, segments=STRANGE)), URL)
    odd = replace(JOB.result(outcome=Outcome.FAILED), request=ODD, tenant="t" * 300, audio=None, error=None)
    yield "of a strange request", payload_of(odd, URL)
    endless = Audio(uri="s3://scribe/a", duration=float("inf"), channels=1, sha256=SHA)
    yield "of an endless recording", payload_of(replace(odd, audio=endless), URL)
    yield "not applied", as_failed(payload_of(DONE, URL), {"kind": "k", "code": "c", "message": "m"})
    yield "numbered", numbered(payload_of(JOB.result(outcome=Outcome.CANCELLED), URL), 17)
    enhanced = enhancement_payload.payload_of
    yield "enhanced", enhanced(ENHANCED, URL)
    failed = replace(ENHANCED, outcome=Outcome.FAILED, summary=None, entities=(), model=None, tokens=0, error=FAILURE)
    yield "not enhanced", enhanced(failed, URL)
    many = (Entity(text="e" * 9000, kind="k\x00"),)
    yield "without its entities", enhanced(replace(ENHANCED, summary="s" * 12_000, entities=many), URL)
    yield "without its summary", enhanced(replace(ENHANCED, summary="s" * 30_000), URL)


CASES = dict(payloads())
KNOWN: dict[str, str] = json.loads(GOLDEN.read_text()) if GOLDEN.exists() else {}


@pytest.mark.parametrize("case", CASES)
def test_a_body_is_what_it_was(case: str) -> None:
    assert body_of(CASES[case]) == KNOWN[case].encode()


def test_every_golden_body_has_its_case() -> None:
    assert KNOWN.keys() == CASES.keys()


if __name__ == "__main__":
    made = {case: body_of(payload).decode() for case, payload in CASES.items()}
    GOLDEN.write_text(json.dumps(made | KNOWN, indent=1, sort_keys=True) + "\n")
