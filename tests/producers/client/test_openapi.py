"""The client and the OpenAPI document: operations, fields of bodies and of answers, filters."""

import re
from functools import cache
from typing import Any, get_type_hints

import pytest

from producers.api.app import create_app
from producers.client import Client
from producers.client.async_client import AsyncClient, Operations
from producers.client.models import jobs, keys, operators, revisions, transcripts, uploads, usage, webhooks
from producers.client.models.document import Document
from producers.client.operations.webhooks import EndpointChange
from producers.client.protocol.calls import Operation
from producers.client.sync_client import Blocking, Listing
from producers.transcripts.formats import Format
from schemas.transcript import Segment, Transcript, Word

LEFT_OUT = {
    **dict.fromkeys(("livez", "health", "readyz", "metrics"), "for what runs the service"),
    **dict.fromkeys(
        ("createTranscription", "createTranslation", "listOpenAIModels", "getOpenAIModel"), "for OpenAI's own clients"
    ),
}
REGISTRY = "/schema-registry/"
"""Where tools of Kafka read schemas by clients of their own."""
ANSWERS: dict[str, type[Document]] = {
    "JobView": jobs.Job,
    "ProgressView": jobs.JobProgress,
    "JobFailure": jobs.JobFailure,
    "TranscriptResult": jobs.JobResult,
    "HistoryLine": jobs.HistoryLine,
    "EnhancementLink": jobs.EnhancementLink,
    "BulkOutcome": jobs.LineOutcome,
    "WaitView": jobs.Wait,
    "WaitingView": jobs.Waiting,
    "ErasureView": jobs.Erasure,
    "ModelView": jobs.Model,
    "PieceView": transcripts.Piece,
    "HitView": transcripts.Hit,
    "HitList": transcripts.HitPage,
    "EntityView": transcripts.Entity,
    "EnhancementView": transcripts.Enhancement,
    "EndpointView": webhooks.Endpoint,
    "SecretView": webhooks.EndpointSecret,
    "AttemptView": webhooks.Attempt,
    "DeliveryDetail": webhooks.Delivery,
    "EstimateView": jobs.Estimate,
    "ChangesView": revisions.Changes,
    "CorrectionView": revisions.Correction,
    "RevisionView": revisions.Revision,
    "Usage": usage.Usage,
    "UsageDay": usage.DayUsage,
    "UsageView": usage.UsageReport,
    "KeyView": keys.Key,
    "NewKey": keys.NewKey,
    "UploadView": uploads.Upload,
    "PresignedView": uploads.PresignedUpload,
    "HandlingView": operators.Handling,
    "DeadLetterDetail": operators.DeadLetter,
    "HeldPartView": operators.HeldPart,
    "StuckJobView": operators.StuckJob,
}
PAGED = {"limit", "cursor"}


@cache
def document() -> dict[str, Any]:
    return create_app(None).openapi()  # type: ignore[arg-type]


def fields(kind: type[Any]) -> set[str]:
    return set(get_type_hints(kind)) - {"raw", "SECRET"}


def properties(name: str) -> set[str]:
    return set(document()["components"]["schemas"][name]["properties"])


def parameters(path: str) -> set[str]:
    return {each["name"] for each in document()["paths"][path]["get"]["parameters"] if each["in"] == "query"}


def test_every_operation_is_here_or_left_out_on_purpose() -> None:
    """A new one belongs into `Operation`, with a method of the clients, or into the list above with its reason."""
    named = {
        (operation["operationId"], method.upper(), path)
        for path, item in document()["paths"].items()
        for method, operation in item.items()
        if operation["operationId"] not in LEFT_OUT and not path.startswith(REGISTRY)
    }
    ours = {
        (re.sub(r"_(\w)", lambda found: found[1].upper(), operation.name.lower()), *operation.value)
        for operation in Operation
    }
    assert ours == named
    assert {operation["operationId"] for item in document()["paths"].values() for operation in item.values()} >= set(
        LEFT_OUT
    )


@pytest.mark.parametrize("name", ANSWERS)
def test_answers_have_the_fields_of_the_document(name: str) -> None:
    assert fields(ANSWERS[name]) == properties(name)


@pytest.mark.parametrize(
    ("ours", "theirs"), [(transcripts.Transcript, Transcript), (transcripts.Segment, Segment), (transcripts.Word, Word)]
)
def test_transcripts_have_the_fields_of_the_wire(ours: type[Document], theirs: type[Any]) -> None:
    assert fields(ours) == set(theirs.__dataclass_fields__)


def test_bodies_and_filters_have_the_fields_of_the_document() -> None:
    assert fields(jobs.JobBody) == properties("TranscribeBody")
    assert fields(revisions.SegmentEdit) == properties("SegmentEditBody")
    assert fields(EndpointChange) == properties("EndpointChange")
    assert fields(jobs.JobFilters) == parameters("/api/v1/jobs") - PAGED
    assert set(transcripts.TranscriptFormat.__args__) == {str(form) for form in Format}  # type: ignore[attr-defined]


def test_both_clients_have_the_same_operations() -> None:
    """Each is written once; the blocking one names them all."""
    written = {name for name in dir(Operations) if not name.startswith("_")}
    named = {name: value for name, value in vars(Client).items() if isinstance(value, Blocking | Listing)}
    assert set(named) == written
    assert {name for name in dir(AsyncClient) if not name.startswith("_")} == written | {"aclose"}
    assert all(value.__doc__ == getattr(Operations, name).__doc__ for name, value in named.items())
