"""Bytes of every released version decode for ever; malformed bytes are Poison and nothing else."""

import io
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import Poison, ScribeError
from schemas.events import EVENTS, Event, JobControl, JobRequested, JobResult, TenantPolicy, TranscriptReady
from schemas.transcript import Transcript
from schemas.wire.avro_reading import AVRO_FOLDER, Schema, current_schema
from schemas.wire.serde import (
    MAX_RECORD_BYTES,
    ManifestStore,
    Serde,
    decode_transcript,
    encode_transcript,
    to_json,
    transcript_from_json,
)
from tests.samples import FULL_REQUEST, SAMPLES, TRANSCRIPT
from tests.strategies import requests, transcripts

GOLDEN = Path(__file__).parent / "golden"
SERDE = Serde()
STORE = ManifestStore()


def golden_files() -> list[Path]:
    """One file a released schema and sample: <id>.<sample>.json with the bytes in hex and what they mean."""
    return sorted(GOLDEN.glob("*.json"))


@pytest.mark.parametrize("path", golden_files(), ids=lambda p: p.stem)
def test_golden_bytes_stay_decodable(path: Path) -> None:
    """What any released version wrote still means the same."""
    golden = json.loads(path.read_text())
    decoded = to_json(SERDE.decode_any(bytes.fromhex(golden["hex"])))
    assert without_newer(decoded, golden["means"]) == golden["means"]


def without_newer(value: Any, like: Any) -> Any:
    """What was decoded, without the fields that were not there when the golden file was written."""
    match value, like:
        case dict(), dict():
            return {name: without_newer(value[name], like[name]) for name in like if name in value}
        case list(), list() if len(value) == len(like):
            return [without_newer(one, other) for one, other in zip(value, like, strict=True)]
    return value


@pytest.mark.parametrize("name", SAMPLES)
def test_current_bytes_are_golden(name: str) -> None:
    """The wire format changes only together with a new schema id and new golden files."""
    event = SAMPLES[name]
    path = GOLDEN / f"{STORE.id_of(event.KIND)}.{name}.json"
    assert json.loads(path.read_text()) == {"hex": SERDE.encode(event).hex(), "means": to_json(event)}


def as_before(transcript: Transcript) -> Transcript:
    """A transcript that says no more than those of earlier versions."""
    segments = tuple(
        replace(s, language=None, words=tuple(replace(w, space_before=None, language=None) for w in s.words))
        for s in transcript.segments
    )
    return replace(transcript, segments=segments, speech=None, uncovered=None)


def unused(request: JobRequested) -> JobRequested:
    """A request that says no more than those of earlier versions."""
    return replace(request, source=replace(request.source, name=None), options=replace(request.options, track=None))


def written_id(event: Event) -> int:
    return int.from_bytes(SERDE.encode(event)[1:5], "big")


@pytest.mark.parametrize("name", SAMPLES)
def test_a_field_that_nobody_uses_costs_older_readers_nothing(name: str) -> None:
    """Processes of the version before know no id but those of their manifest; an event that says no more keeps its old one."""
    event = SAMPLES[name]
    newest = STORE.id_of(event.KIND)
    match event:
        case JobRequested():
            nameless: Event = unused(event)
        case TranscriptReady() | JobResult():
            transcript = event.transcript and as_before(event.transcript)
            nameless = replace(event, request=unused(event.request), transcript=transcript)
        case TenantPolicy():
            nameless = replace(event, enhanced_ai=False, llm_models=())
        case _:
            nameless = event
    first = min(
        int(path.stem.split(".")[0]) for path in golden_files() if path.stem.split(".")[1].startswith(event.KIND)
    )
    assert written_id(nameless) == first
    assert written_id(event) == (first if nameless == event else newest)
    assert SERDE.decode_any(SERDE.encode(nameless)) == nameless


def test_what_the_version_before_wrote_is_written_as_before() -> None:
    """A request of theirs, with all that they knew, is readable for their readers though there are later fields."""
    known = replace(FULL_REQUEST, options=replace(FULL_REQUEST.options, track=None))
    assert (written_id(known), written_id(FULL_REQUEST)) == (9, STORE.id_of("JobRequested"))


def test_every_released_schema_has_golden_bytes() -> None:
    """A release without golden bytes could change meaning unseen."""
    released = {path.stem for path in (AVRO_FOLDER / "released").glob("*.avsc")}
    assert released == {path.name.split(".")[0] for path in golden_files()}


@given(requests())
def test_requests_round_trip(request: JobRequested) -> None:
    """decode(encode(e)) == e for whatever a request may hold."""
    assert SERDE.decode(SERDE.encode(request), JobRequested) == request


@given(transcripts())
def test_transcripts_round_trip_in_both_forms(transcript: Any) -> None:
    """A claim check and the stored JSON hold the same transcript."""
    assert decode_transcript(encode_transcript(transcript)) == transcript
    assert transcript_from_json(json.loads(json.dumps(to_json(transcript)))) == transcript


def test_claim_checks_of_earlier_versions_stay_readable() -> None:
    """They were bare Avro, which says nothing of its schema."""
    bare = bytes.fromhex((GOLDEN / "bare-transcript.hex").read_text())
    assert decode_transcript(bare) == as_before(TRANSCRIPT)


def test_a_claim_check_is_read_by_any_reader_of_avro_files() -> None:
    """Downstream services need no schema of ours."""
    found: list[Any] = list(fastavro.reader(io.BytesIO(encode_transcript(TRANSCRIPT))))
    (plain,) = found
    assert plain["segments"][0]["words"][1]["space_before"] is True


@pytest.mark.parametrize("codec", ["deflate", "null"])
def test_a_claim_check_of_another_making_is_poison(codec: str) -> None:
    """Compressed, a few bytes could become gigabytes; two transcripts are none."""
    out = io.BytesIO()
    fastavro.writer(out, current_schema("Transcript"), [to_json(TRANSCRIPT)] * (1 + (codec == "null")), codec=codec)
    with pytest.raises(Poison):
        decode_transcript(out.getvalue())


@given(st.integers(0, 2000), st.binary(min_size=1, max_size=4))
def test_a_damaged_claim_check_decodes_or_is_poison(position: int, noise: bytes) -> None:
    whole = encode_transcript(TRANSCRIPT)
    at = position % len(whole)
    with suppress(Poison):
        decode_transcript(whole[:at] + noise + whole[at + len(noise) :])


@given(st.binary(max_size=200))
def test_random_bytes_are_poison(body: bytes) -> None:
    """Nothing but Poison leaves the decoder, and nothing random passes as a control order."""
    with pytest.raises(Poison):
        SERDE.decode(b"\x00" + STORE.id_of("JobResult").to_bytes(4, "big") + body, JobControl)


@given(st.integers(0, 400), st.binary(min_size=1, max_size=4))
def test_damaged_bytes_decode_or_are_poison(position: int, noise: bytes) -> None:
    """Whatever a broken producer sends, the consumer gets an event or Poison."""
    whole = SERDE.encode(FULL_REQUEST)
    damaged = whole[: position % len(whole)] + noise + whole[position % len(whole) + len(noise) :]
    try:
        SERDE.decode(damaged, JobRequested)
    except ScribeError as error:
        assert isinstance(error, Poison)  # noqa: PT017 - the type is the point, decoding may also succeed


GOOD = SERDE.encode(FULL_REQUEST)


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, "wire format"),
        (b"", "wire format"),
        (b'{"job_id": 1}', "wire format"),
        (b"\x00\x00\x00\x00\x01", "wire format"),
        (b"\x00\x00\x00\x27\x0fabc", "unknown schema id 9999"),
        (GOOD[:-1], "not readable as scribe.JobRequested"),
        (GOOD + b"\x00", "1 bytes behind the scribe.JobRequested"),
        (SERDE.encode(SAMPLES["JobControl-full"]), "a scribe.JobControl where a scribe.JobRequested belongs"),
        (b"\x00\x00\x00\x00\x01" + bytes(MAX_RECORD_BYTES), "more than"),
    ],
    ids=["null", "empty", "json", "no body", "unknown id", "cut off", "garbage behind", "other event", "too large"],
)
def test_poison_says_why(value: bytes | None, reason: str) -> None:
    """The dead letter's header tells an operator what was wrong."""
    with pytest.raises(Poison, match=reason):
        SERDE.decode(value, JobRequested)


@pytest.mark.parametrize("schema_id", [2**31, 2**32 - 1])
def test_an_id_that_no_registry_gives_is_asked_for_nowhere(schema_id: int) -> None:
    class Registry(ManifestStore):
        def schema_of(self, schema_id: int) -> Schema:
            raise AssertionError(schema_id)

    value = b"\x00" + schema_id.to_bytes(4, "big") + b"body"
    with pytest.raises(Poison, match=f"unknown schema id {schema_id}"):
        Serde(Registry()).decode(value, JobControl)
    assert Serde(Registry()).at_hand(value)


def test_wrong_values_are_poison_with_the_field_named() -> None:
    """A value that Avro allows and the event does not."""
    broken = GOOD.replace(b"\x12translate", b"\x12translute")
    with pytest.raises(Poison, match=r"options\.task"):
        SERDE.decode(broken, JobRequested)


def test_decode_any_knows_every_event() -> None:
    """The dead-letter tool need not be told what it reads."""
    assert {type(SERDE.decode_any(SERDE.encode(event))) for event in SAMPLES.values()} == set(EVENTS)
