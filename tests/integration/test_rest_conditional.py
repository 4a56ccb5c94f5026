"""Polling with entity tags: whoever has the answer is told so in a few bytes, until it changes."""

from uuid import uuid4

import httpx
import pytest

from producers.transcripts.formats import Format
from tests.integration.rest import check_problem, request_of
from tests.integration.shim import RunningShim


def test_a_job_is_sent_again_when_it_has_changed(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    path = f"/api/v1/jobs/{request.job_id}"
    first = client.get(path)
    known = {"If-None-Match": first.headers["etag"]}
    assert first.headers["cache-control"] == "private, no-cache"

    unchanged = client.get(path, headers=known)
    assert (unchanged.status_code, unchanged.content) == (304, b"")
    assert unchanged.headers["etag"] == first.headers["etag"]
    assert unchanged.headers["retry-after"] == first.headers["retry-after"]
    assert "content-type" not in unchanged.headers

    shim.complete(request)
    ended = client.get(path, headers=known)
    assert (ended.status_code, ended.json()["state"]) == (200, "completed")
    assert ended.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize("form", Format)
def test_a_transcript_in_any_form_keeps_its_tag(shim: RunningShim, client: httpx.Client, form: Format) -> None:
    request = request_of(client)
    shim.complete(request)
    path = f"/api/v1/jobs/{request.job_id}/transcript?format={form}"
    first = client.get(path)
    assert first.headers["content-disposition"] == f'attachment; filename="call.{form.extension}"'
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.headers["etag"]) == (304, first.headers["etag"])


@pytest.mark.parametrize(
    "wrapped", ["W/{}", '"other", {}', 'W/"a,b" ,W/{},"c"', "*"], ids=["weak", "list", "list of weak", "any"]
)
def test_every_way_to_name_a_tag_counts(client: httpx.Client, wrapped: str) -> None:
    tag = client.get("/api/v1/models").headers["etag"]
    assert client.get("/api/v1/models", headers={"If-None-Match": wrapped.format(tag)}).status_code == 304


@pytest.mark.parametrize("given", ["", '""', '"other"', "no quotes", 'W/"', '"\u00fcber"', '", ,'])
def test_any_other_is_answered_in_full(client: httpx.Client, given: str) -> None:
    answer = client.get("/api/v1/models", headers={b"If-None-Match": given.encode("latin-1")})
    assert answer.status_code == 200
    assert answer.json()


def test_head_says_the_same_as_get(client: httpx.Client) -> None:
    tag = client.get("/api/v1/models").headers["etag"]
    assert client.head("/api/v1/models").headers["etag"] == tag
    assert client.head("/api/v1/models", headers={"If-None-Match": tag}).status_code == 304


def test_errors_have_no_tag_and_are_sent_in_full(client: httpx.Client) -> None:
    answer = client.get(f"/api/v1/jobs/{uuid4()}", headers={"If-None-Match": "*"})
    check_problem(answer, 404, "not_found")
    assert "etag" not in answer.headers


def test_another_tenants_tag_says_nothing(shim: RunningShim, client: httpx.Client) -> None:
    request = request_of(client)
    path = f"/api/v1/jobs/{request.job_id}"
    tag = client.get(path).headers["etag"]
    with shim.client(shim.key_of("globex")) as other:
        check_problem(other.get(path, headers={"If-None-Match": tag}), 404, "not_found")


def test_the_document_says_so_of_every_read_with_a_key(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    reads = {path: operations["get"] for path, operations in paths.items() if "get" in operations}
    tagged = {path for path, read in reads.items() if "304" in read["responses"]}
    streams = {path for path, read in reads.items() if "text/event-stream" in read["responses"]["200"]["content"]}
    assert tagged == {path for path in reads if path.startswith("/api/")} - streams
    for path in tagged:
        assert [item["in"] for item in reads[path]["parameters"] if item["name"] == "If-None-Match"] == ["header"]
