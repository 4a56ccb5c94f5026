"""Bodies at the door: only what an operation takes, every value in its own type, nothing that could be meant otherwise."""

import json
import re
import socket
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import httpx
import pytest

from sink.memory import MemoryObjectStore
from tests.integration.rest import URL, check_problem, read, rows
from tests.integration.shim import RunningShim, serving

TRANSCRIBE, UPLOAD = "/api/v1/transcribe", "/api/v1/transcribe/upload"
JSON = {"content-type": "application/json"}


@pytest.fixture
def shim(database: str) -> Iterator[RunningShim]:
    with serving(database, MemoryObjectStore()) as running:
        yield running


def operations(client: httpx.Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and description of every operation behind a key."""
    for path, item in client.get("/openapi.json").json()["paths"].items():
        if path.startswith("/api/v1"):
            for method, operation in item.items():
                yield method.upper(), re.sub(r"{\w+}", str(uuid4()), path), operation


def json_schemas(client: httpx.Client) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, path and the fields of the body of every operation that takes JSON."""
    known = client.get("/openapi.json").json()["components"]["schemas"]
    for method, path, operation in operations(client):
        schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        for form in schema.get("anyOf", [schema]):
            if "$ref" in form:
                yield method, path, known[form["$ref"].rpartition("/")[2]]["properties"]


WRONG_TYPES: dict[str, list[Any]] = {
    "boolean": ["true", "yes", "1", 1, 0, 1.0, [], {}],
    "integer": ["2", True, 2.0, 2.5, [], {}],
    "number": ["2", "1.5", True, [], {}],
    "string": [1, True, 1.5, [], {}],
    "object": ["{}", '{"a": "b"}', 1, [], True],
}
TYPES = {"boolean": bool, "integer": int, "string": str, "object": dict}


def test_a_value_of_another_type_is_refused_with_its_field(client: httpx.Client) -> None:
    """In every field of every body, so that no field that is new can be less strict."""
    tried = 0
    for method, path, fields in json_schemas(client):
        for name, schema in fields.items():
            kinds = {kind.get("type") for kind in schema.get("anyOf", [schema])} - {"null"}
            for value in (value for kind in kinds for value in WRONG_TYPES.get(kind, ())):
                if any(type(value) is TYPES[kind] for kind in kinds & TYPES.keys()):  # wrong for one, right for another
                    continue
                problem = check_problem(client.request(method, path, json={name: value}), 422, "invalid_request")
                assert name in [item["field"].split(".")[0] for item in problem["errors"]], (path, name, value)
                tried += 1
    assert tried > 150


NO_TIMES = [1893456000, 1893456000.5, True, "1893456000", "1893456000000", "2030-01-31", "20300131T120000Z", "now", ""]


def test_a_time_is_written_as_one(client: httpx.Client) -> None:
    for value in NO_TIMES:
        answer = client.post(TRANSCRIBE, json={"url": URL, "expires_at": value})
        (error,) = check_problem(answer, 422, "invalid_request")["errors"]
        assert (error["field"], "2030-01-31T12:00:00Z" in error["message"]) == ("expires_at", True), value
        since = check_problem(
            client.post(f"/api/v1/webhooks/endpoints/{uuid4()}/redeliver", json={"since": value}),
            422,
            "invalid_request",
        )
        assert [item["field"] for item in since["errors"]] == ["since"], value
        if isinstance(value, str):
            listed = client.get("/api/v1/webhooks/deliveries", params={"since": value})
            assert [item["field"] for item in check_problem(listed, 422, "invalid_request")["errors"]] == ["since"]
    answer = client.post(TRANSCRIBE, json={"url": URL, "expires_at": "2130-01-31T12:00:00+02:00"})
    assert answer.status_code == 202


TEXTS: list[tuple[bytes, list[str]]] = [
    (b'{"url": "https://a.example/", "url": "https://b.example/"}', ["url"]),
    (b'{"url": "https://a.example/", "num_speakers": 1, "num_speakers": 2}', ["num_speakers"]),
    (b'{"url": "https://a.example/", "metadata": {"a": "1", "a": "2"}}', ["metadata.a"]),
    (b'{"url": "https://a.example/", "num_speakers": NaN}', ["num_speakers"]),
    (b'{"url": "https://a.example/", "num_speakers": 1e999}', ["num_speakers"]),
    (b'{"url": "https://a.example/", "num_speakers": ' + b"1" * 200_000 + b"}", ["num_speakers"]),
    (b'{"url": "https://a.example/", "prompt": "\\ud800"}', ["prompt"]),
    (b'{"url": "https://a.example/", "\\ud800": 1}', ["?"]),
    (b'{"url": "https://a.example/", "prompt": "\\u0000"}', ["prompt"]),
    (b'{"url": "https://a.example/", "' + b"x" * 200_000 + b'": 1}', ["x" * 64]),
    (b'\xef\xbb\xbf{"url": "https://a.example/"}', ["body"]),
    ('{"url": "https://a.example/"}'.encode("utf-16"), ["body"]),
    (b'{"url":' + b"[" * 100_000, ["body"]),
    (b'{"a":' * 40_000 + b"1" + b"}" * 40_000, ["body"]),
]


def test_json_that_readers_take_differently(shim: RunningShim, client: httpx.Client) -> None:
    for text, fields in TEXTS:
        problem = check_problem(client.post(TRANSCRIBE, content=text, headers=JSON), 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == fields, text[:60]
    assert rows(shim, "SELECT count(*) FROM jobs") == [(0,)]


def test_the_key_is_checked_before_the_body(shim: RunningShim) -> None:
    with httpx.Client(base_url=shim.url, timeout=90, trust_env=False) as nobody:
        for content, kind in ((b"{", "application/json"), (b"{}", "text/plain"), (b"\xff", "application/json")):
            answer = nobody.post(TRANSCRIBE, content=content, headers={"content-type": kind})
            check_problem(answer, 401, "unauthorized")


def test_a_body_is_not_even_read_for_a_stranger_or_of_another_kind(client: httpx.Client, shim: RunningShim) -> None:
    """It is announced and never comes: whoever waited for it would not answer."""
    for method, path, operation in operations(client):
        taken = next(iter(operation.get("requestBody", {}).get("content", {"none": {}})))
        for key, kind, status in (("wrong", taken, 401), (shim.key, "text/plain", 415 if taken != "none" else 422)):
            lines = (
                f"{method} {path} HTTP/1.1",
                "Host: x",
                f"X-API-Key: {key}",
                f"Content-Type: {kind}",
                "Upload-Offset: 0",
            )
            head = "\r\n".join([*lines, "Content-Length: 100000", "Expect: 100-continue", "", ""])
            url = httpx.URL(shim.url)
            with socket.create_connection((url.host, url.port or 80), 90) as connection:
                connection.sendall(head.encode())
                assert connection.recv(1000).startswith(f"HTTP/1.1 {status} ".encode()), (method, path, kind)


UNTAKEN: list[tuple[dict[str, str], str]] = [
    ({}, "Content-Type"),
    ({"content-type": ""}, "Content-Type"),
    ({"content-type": "text/plain"}, "Content-Type"),
    ({"content-type": "application/x-www-form-urlencoded"}, "Content-Type"),
    ({"content-type": "application/jsonl"}, "Content-Type"),
    ({"content-type": "application/xml"}, "Content-Type"),
    ({"content-type": "application/octet-stream"}, "Content-Type"),
    ({"content-type": "json"}, "Content-Type"),
    ({"content-type": "application/json; charset=utf-16"}, "Content-Type"),
    ({"content-type": "application/json; charset=iso-8859-1"}, "Content-Type"),
    ({**JSON, "content-encoding": "gzip"}, "Content-Encoding"),
    ({**JSON, "content-encoding": "deflate, br"}, "Content-Encoding"),
    ({**JSON, "content-encoding": "zstd"}, "Content-Encoding"),
    ({**JSON, "content-encoding": "identity, x"}, "Content-Encoding"),
]


def test_a_body_of_another_kind_is_415_with_what_is_taken(client: httpx.Client) -> None:
    """By every operation with a body; the one for forms has its own kind."""
    content = b'{"url": "https://a.example/"}'
    for method, path, operation in operations(client):
        kinds = operation.get("requestBody", {}).get("content")
        for headers, field in UNTAKEN if kinds else ():
            ((taken, _),) = kinds.items()
            headers = {**headers, "content-type": taken} if "content-encoding" in headers else headers
            answer = client.request(method, path, content=content, headers={"upload-offset": "0", **headers})
            problem = check_problem(answer, 415, "unsupported_media_type")
            assert [item["field"] for item in problem["errors"]] == [field], (path, headers)
            accepts = ("accept", taken) if field == "Content-Type" else ("accept-encoding", "identity")
            assert answer.headers[accepts[0]] == accepts[1]
            assert field == "Content-Encoding" or taken in problem["detail"]
    twice = httpx.Headers([("content-type", "application/json"), ("content-type", "application/json")])
    check_problem(client.post(TRANSCRIBE, content=content, headers=twice), 415, "unsupported_media_type")
    check_problem(client.post(UPLOAD, json={"url": URL}), 415, "unsupported_media_type")
    check_problem(client.post(TRANSCRIBE, files={"file": b"RIFF"}), 415, "unsupported_media_type")


def test_the_same_kind_may_be_written_otherwise(client: httpx.Client) -> None:
    for kind in ("Application/JSON", "application/json;charset=UTF-8", 'application/json; charset="utf-8"; x=y'):
        headers = {"content-type": kind, "content-encoding": "identity"}
        assert client.post(TRANSCRIBE, content=json.dumps({"url": URL}), headers=headers).status_code == 202, kind


def test_an_operation_that_takes_no_body_gets_none(client: httpx.Client) -> None:
    """What it says would be passed over, such as `since` to a single delivery; one without a byte says nothing."""
    for method, path, operation in operations(client):
        if "requestBody" in operation:
            continue
        for content in (b'{"erase": true}', iter([b"{}"])):
            problem = check_problem(client.request(method, path, content=content, headers=JSON), 422, "invalid_request")
            assert [item["field"] for item in problem["errors"]] == ["body"], (method, path)
        empty = read(client, path, method, content=iter([b""]), headers=JSON)
        assert '"field":"body"' not in empty.text, (method, path)
    missing = check_problem(client.post(TRANSCRIBE), 422, "invalid_request")
    assert [item["field"] for item in missing["errors"]] == ["body"]


BLAMED: list[tuple[dict[str, Any], str, str]] = [
    ({"metadata": {"": "x"}}, "metadata", "a key must not be empty"),
    ({"metadata": {"k" * 129: "x"}}, "metadata", "a key must have at most 128 characters"),
    ({"metadata": {f"k{number}": "" for number in range(65)}}, "metadata", "must have at most 64 items"),
    ({"webhook_url": "https://hooks.example/a b"}, "webhook_url", "must not have a blank"),
    ({"webhook_url": "https://hooks.example/a\u202eb"}, "webhook_url", "U+202E"),
    ({"webhook_url": "https://hooks.example/a\nb"}, "webhook_url", "U+000A"),
    ({"webhook_url": "https://hooks.example:99999/"}, "webhook_url", "port from 0 to 65535"),
    ({"webhook_url": "https://hooks.example:x/"}, "webhook_url", "port from 0 to 65535"),
    ({"webhook_url": "https://[::1/"}, "webhook_url", "host that cannot be read"),
    ({"webhook_url": "ftp://hooks.example/"}, "webhook_url", "an http(s) address"),
    ({"expires_at": "2130-01-31T12:00:00+25:00"}, "expires_at", "its hour of the offset must be at most 23, not 25"),
    ({"expires_at": "2130-01-31T12:00:00+01:60"}, "expires_at", "its minute of the offset must be at most 59, not 60"),
    ({"expires_at": "2130-01-31T12:00:60Z"}, "expires_at", "its second must be at most 59, not 60"),
    ({"expires_at": "2130-01-31T12:60Z"}, "expires_at", "its minute must be at most 59, not 60"),
    ({"expires_at": "2130-01-31T24:00:00Z"}, "expires_at", "its hour must be at most 23, not 24"),
    ({"expires_at": "2130-01-31T12:00:00Zulu"}, "expires_at", "such as 2030-01-31T12:00:00Z"),
    ({"expires_at": "2130-01-31T12:00:00+1"}, "expires_at", "such as 2030-01-31T12:00:00Z"),
]


def test_what_is_blamed_is_what_is_wrong(client: httpx.Client) -> None:
    for fields, field, message in BLAMED:
        answer = client.post(TRANSCRIBE, json={"url": URL, **fields})
        (error,) = check_problem(answer, 422, "invalid_request")["errors"]
        assert error["field"] == field, fields
        assert message in error["message"], fields
    (error,) = check_problem(client.post(TRANSCRIBE), 422, "invalid_request")["errors"]
    assert error == {"field": "body", "message": "a JSON body is missing"}
    for method in ("GET", "DELETE"):
        answer = client.request(method, f"/api/v1/jobs/{uuid4()}", content=b"x" * 300_000)
        assert "this operation takes none" in check_problem(answer, 422, "invalid_request")["detail"]
    unknown = check_problem(client.delete(f"/api/v1/jobs/{uuid4()}?run=1"), 422, "invalid_request")
    assert "unknown parameter `run`; there is only erase" in unknown["detail"]
    packed = client.post(TRANSCRIBE, content=b"x", headers={**JSON, "content-encoding": "gzip"})
    assert "Accept-Encoding header" in check_problem(packed, 415, "unsupported_media_type")["detail"]


def test_what_is_blamed_in_a_form_is_what_is_wrong(client: httpx.Client) -> None:
    def problem(name: str = "a.wav", **fields: str) -> dict[str, Any]:
        answer = client.post(UPLOAD, files={"file": (name, b"RIFF")}, data=fields)
        return check_problem(answer, 422, "invalid_request")

    assert problem(metadata="{")["errors"][0]["message"].startswith("is not JSON")
    assert problem(metadata='{"a":NaN}')["errors"] == [{"field": "metadata.a", "message": "NaN is no number of JSON"}]
    assert "a header of a part, such as that with the file's name" in problem("a" * 20_000)["detail"]
    long = client.post(UPLOAD, files={"file": ("a" * 5000 + ".wav", b"RIFF")})
    assert (long.status_code, len(long.json()["name"])) == (202, 255)
    part = b'--b\r\nContent-Disposition: form-data; name="file"; name="url"; filename="a"\r\n\r\nhe\r\n--b--\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    told = check_problem(client.post(UPLOAD, content=part, headers=headers), 422, "invalid_request")
    assert "a part has name in its Content-Disposition more than once" in told["detail"]
    twice = {"content-type": "multipart/form-data; boundary=b; boundary=c"}
    told = check_problem(client.post(UPLOAD, content=part, headers=twice), 415, "unsupported_media_type")
    assert "boundary is given in it more than once" in told["detail"]


FORM_FIELDS: list[tuple[dict[str, str], list[str]]] = [
    ({"num_speakers": "two"}, ["num_speakers"]),
    ({"num_speakers": "2.5"}, ["num_speakers"]),
    ({"num_speakers": "true"}, ["num_speakers"]),
    ({"num_speakers": "1_0"}, ["num_speakers"]),
    ({"num_speakers": "2.0"}, ["num_speakers"]),
    ({"min_speakers": "+2", "max_speakers": "٣"}, ["min_speakers", "max_speakers"]),
    ({"num_speakers": "9" * 5000}, ["num_speakers"]),
    ({"diarize": "perhaps"}, ["diarize"]),
    (
        {"diarize": "on", "word_timestamps": "yes", "enable_summarization": "t"},
        ["diarize", "word_timestamps", "enable_summarization"],
    ),
    ({"expires_at": "1893456000"}, ["expires_at"]),
    ({"priority": "URGENT"}, ["priority"]),
    ({"job_id": "17"}, ["job_id"]),
    ({"metadata": "{"}, ["metadata"]),
    ({"metadata": "[]"}, ["metadata"]),
    ({"metadata": "null"}, ["metadata"]),
    ({"metadata": '{"a": "1", "a": "2"}'}, ["metadata.a"]),
    ({"metadata": '{"a": NaN}'}, ["metadata.a"]),
    ({"metadata": '{"a": 1}'}, ["metadata.a"]),
    ({"metadata": '{"a": "\\ud800"}'}, ["metadata.a"]),
    ({"prompt": "a\x00b"}, ["prompt"]),
]


def test_forms_are_text_and_as_strict_in_what_it_says(shim: RunningShim, client: httpx.Client) -> None:
    file = {"file": ("a.wav", b"RIFF")}
    for fields, named in FORM_FIELDS:
        problem = check_problem(client.post(UPLOAD, files=file, data=fields), 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == named, fields
    fields = {"num_speakers": "2", "diarize": "true", "word_timestamps": "0", "priority": "express"}
    answer = client.post(UPLOAD, files=file, data={**fields, "expires_at": "2130-01-31T12:00:00Z"})
    assert answer.status_code == 202, answer.text
    options = answer.json()["options"]
    assert (options["num_speakers"], options["diarize"], options["word_timestamps"]) == (2, True, False)
    assert rows(shim, "SELECT count(*) FROM jobs") == [(1,)]


def test_a_form_with_ten_thousand_parts_or_a_wrong_boundary(client: httpx.Client) -> None:
    part = b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nhe\r\n'
    headers = {"content-type": "multipart/form-data; boundary=b"}
    problem = check_problem(client.post(UPLOAD, content=part * 10_000, headers=headers), 422, "invalid_request")
    assert [item["field"] for item in problem["errors"]] == ["language"]
    for boundary in ("", "b" * 257, "b" * 30_000, '""', "é"):
        wrong = httpx.Headers({"content-type": f"multipart/form-data; boundary={boundary}"}, encoding="latin-1")
        problem = check_problem(client.post(UPLOAD, content=part, headers=wrong), 422, "invalid_request")
        assert [item["field"] for item in problem["errors"]] == ["Content-Type"]
