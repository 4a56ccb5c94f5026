"""Events and their schemas agree, ids are deterministic, and addresses lose their secrets."""

from dataclasses import fields
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import EVENTS, Event, event_id, key_of, without_query
from schemas.wire.avro_reading import AVRO_FOLDER, current_schema
from tests.samples import BARE_REQUEST, JOB, SAMPLES


@pytest.mark.parametrize("cls", EVENTS, ids=lambda cls: cls.KIND)
def test_dataclass_has_the_fields_of_its_schema(cls: type[Event]) -> None:
    """The .avsc and the dataclass name the same fields in the same order."""
    assert [f.name for f in fields(cls)] == [f["name"] for f in current_schema(cls.KIND)["fields"]]


@pytest.mark.parametrize("path", sorted(AVRO_FOLDER.glob("scribe.*.avsc")), ids=lambda p: p.stem)
def test_every_field_is_explained(path: object) -> None:
    """Whoever reads a schema in a registry finds what each field means."""
    schema = current_schema(str(getattr(path, "stem", "")).removeprefix("scribe."))
    assert schema["doc"]
    assert all(field.get("doc") for field in schema["fields"])


def test_every_event_has_a_sample() -> None:
    """No event escapes the golden tests."""
    assert {type(event) for event in SAMPLES.values()} == set(EVENTS)


def test_event_id_depends_on_job_kind_run_and_subject_only() -> None:
    """Sent again it is the same; any part changed, it is another."""
    ids = {
        event_id(job, kind, run, subject)
        for job in (JOB, UUID(int=1))
        for kind in "ab"
        for run in (1, 2)
        for subject in ("", "x")
    }
    assert len(ids) == 16
    assert event_id(JOB, "a", 1) == event_id(JOB, "a", 1, "")


def test_events_of_a_job_share_its_key() -> None:
    """One key keeps a job's events in order."""
    assert {key_of(event) for name, event in SAMPLES.items() if not name.startswith("TenantPolicy")} == {str(JOB)}
    assert key_of(SAMPLES["TenantPolicy-full"]) == "acme"


@pytest.mark.parametrize(
    ("uri", "kept"),
    [
        ("https://a.example/x.wav?X-Amz-Signature=secret#t=1", "https://a.example/x.wav"),
        ("s3://bucket/key", "s3://bucket/key"),
        ("upload://0f", "upload://0f"),
        ("https://user:password@a.example/x.wav", "https://a.example/x.wav"),
        ("https://user:p@ss@a.example/x@2.wav#t", "https://a.example/x@2.wav"),
        ("//user@a.example/x", "//a.example/x"),
        ("https://a.example?user@b", "https://a.example"),
        ("https://[", "https://["),
        ("https://exa\u2100mple/", "https://exa\u2100mple/"),
        ("nonsense", "nonsense"),
    ],
)
def test_without_query_drops_what_may_be_secret(uri: str, kept: str) -> None:
    """Signatures live in the query, passwords before the host."""
    assert without_query(uri) == kept


@given(st.text())
def test_without_query_takes_any_text(uri: str) -> None:
    """It is called for addresses that nobody has checked, and once is enough."""
    kept = without_query(uri)
    assert "?" not in kept
    assert "#" not in kept
    assert without_query(kept) == kept


def test_a_request_without_query_is_else_the_same() -> None:
    """Only the address changes."""
    assert BARE_REQUEST.without_query() == BARE_REQUEST
