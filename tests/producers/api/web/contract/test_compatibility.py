"""What breaks clients of REST, rule by rule, and the gate that keeps it from being released unseen."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from producers.api.web.contract.compatibility import changes
from producers.api.web.contract.release import current, released, text_of

Document = dict[str, Any]


def _document() -> Document:
    """A small document with a bit of everything."""
    job = {
        "type": "object",
        "properties": {
            "job_id": {"type": "string", "format": "uuid"},
            "state": {"type": "string", "enum": ["queued", "done"]},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "share": {"type": "number", "maximum": 1},
            "parts": {"type": "array", "items": {"$ref": "#/components/schemas/Job"}},
        },
        "required": ["job_id", "state"],
    }
    body = {
        "type": "object",
        "properties": {
            "url": {"type": "string", "maxLength": 100},
            "task": {"type": "string", "enum": ["transcribe", "translate"], "default": "transcribe"},
            "speakers": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
        },
        "required": ["url"],
    }
    answer = {
        "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Job"}}},
        "headers": {"Location": {"schema": {"type": "string"}}},
    }
    post = {
        "operationId": "submit",
        "security": [{"Key": []}],
        "parameters": [{"in": "query", "name": "limit", "schema": {"type": "integer", "maximum": 100}}],
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Body"}}},
        },
        "responses": {"202": answer, "404": {"x-codes": ["not_found", "gone"]}},
    }
    sent = {
        "operationId": "job-done",
        "parameters": [{"in": "header", "name": "webhook-id", "schema": {"type": "string"}}],
        "requestBody": answer,
        "responses": {"2XX": {}},
    }
    return {
        "paths": {"/jobs": {"post": post}},
        "webhooks": {"job.done": {"post": sent}},
        "components": {"schemas": {"Job": job, "Body": body}},
    }


def _found(edit: Callable[[Document], object]) -> list[str]:
    after = _document()
    edit(after)
    return [str(change) for change in changes(_document(), after)]


def _post(document: Document) -> Any:
    return document["paths"]["/jobs"]["post"]


def _job(document: Document) -> Any:
    return document["components"]["schemas"]["Job"]


def _fields(document: Document) -> Any:
    return document["components"]["schemas"]["Body"]["properties"]


def _limit(document: Document) -> Any:
    return _post(document)["parameters"][0]


_ANSWER = "POST /jobs: the answer 202"
_SENT = "POST job.done: the body"
BREAKS: dict[str, tuple[Callable[[Document], object], list[str]]] = {
    "an operation is gone": (lambda d: d["paths"].clear(), ["POST /jobs: is gone"]),
    "a webhook is gone": (lambda d: d["webhooks"].clear(), ["POST job.done: is gone"]),
    "an operation has another name": (
        lambda d: _post(d).update(operationId="send"),
        ["POST /jobs: is called send, not submit, as generated clients do"],
    ),
    "a key is wanted of another kind": (
        lambda d: _post(d).update(security=[{"Other": []}]),
        ["POST /jobs: does not accept Key any more"],
    ),
    "a parameter is gone": (
        lambda d: _post(d)["parameters"].clear(),
        ["POST /jobs: parameter `limit` (query) is gone"],
    ),
    "a parameter is required": (
        lambda d: _limit(d).update(required=True),
        ["POST /jobs: parameter `limit` (query) is required"],
    ),
    "a new parameter is required": (
        lambda d: _post(d)["parameters"].append({"in": "query", "name": "q", "required": True, "schema": {}}),
        ["POST /jobs: parameter `q` (query) is new and required"],
    ),
    "a parameter has a lower limit": (
        lambda d: _limit(d)["schema"].update(maximum=50),
        ["POST /jobs: parameter `limit` (query): its maximum is 50, not 100"],
    ),
    "a parameter has another type": (
        lambda d: _limit(d)["schema"].update(type="boolean"),
        ["POST /jobs: parameter `limit` (query): takes no integer any more"],
    ),
    "a body is taken no more": (lambda d: _post(d).pop("requestBody"), ["POST /jobs: takes no body any more"]),
    "a body is of another kind": (
        lambda d: _post(d)["requestBody"].update(content={"text/plain": {}}),
        ["POST /jobs: takes no body of application/json any more"],
    ),
    "a field of a body is gone": (lambda d: _fields(d).pop("task"), ["POST /jobs: the body.task: is gone"]),
    "a field of a body is required": (
        lambda d: d["components"]["schemas"]["Body"].update(required=["url", "task"]),
        ["POST /jobs: the body.task: is required"],
    ),
    "a new field of a body is required": (
        lambda d: (_fields(d).update(who={}), d["components"]["schemas"]["Body"].update(required=["url", "who"])),
        ["POST /jobs: the body.who: is required"],
    ),
    "a value of a body is gone": (
        lambda d: _fields(d)["task"].update(enum=["transcribe"]),
        ["POST /jobs: the body.task: takes no 'translate' any more"],
    ),
    "any text becomes one of a few": (
        lambda d: _fields(d)["url"].update(enum=["a"]),
        ["POST /jobs: the body.url: takes no other values than a any more"],
    ),
    "a text may be less long": (
        lambda d: _fields(d)["url"].update(maxLength=10),
        ["POST /jobs: the body.url: its maxLength is 10, not 100"],
    ),
    "a text has a pattern": (
        lambda d: _fields(d)["url"].update(pattern="^h"),
        ["POST /jobs: the body.url: its pattern is ^h, not none"],
    ),
    "null is taken no more": (
        lambda d: _fields(d)["speakers"].update(anyOf=[{"type": "integer", "minimum": 1}]),
        ["POST /jobs: the body.speakers: takes no null any more"],
    ),
    "a variant has a higher limit": (
        lambda d: _fields(d)["speakers"]["anyOf"][0].update(minimum=2),
        ["POST /jobs: the body.speakers: its minimum is 2, not 1"],
    ),
    "a status is gone": (
        lambda d: _post(d)["responses"].pop("202"),
        ["POST /jobs: answers no 202 any more"],
    ),
    "a header is gone": (
        lambda d: _post(d)["responses"].update({"202": {**_post(d)["responses"]["202"], "headers": {}}}),
        [f"{_ANSWER} has no header `Location` any more"],
    ),
    "an answer is of another kind": (
        lambda d: _post(d)["responses"].update({"202": {"headers": {"Location": {}}, "content": {"text/plain": {}}}}),
        [f"{_ANSWER} is not application/json any more"],
    ),
    "a field of an answer is gone": (
        lambda d: _job(d)["properties"].pop("note"),
        [f"{_ANSWER}.note: is gone", f"{_SENT}.note: is gone"],
    ),
    "a field of an answer has another name": (
        lambda d: _job(d)["properties"].update(remark=_job(d)["properties"].pop("note")),
        [f"{_ANSWER}.note: is gone", f"{_SENT}.note: is gone"],
    ),
    "a field of an answer may be missing": (
        lambda d: _job(d).update(required=["job_id"]),
        [f"{_ANSWER}.state: may be missing", f"{_SENT}.state: may be missing"],
    ),
    "a field of an answer may be null": (
        lambda d: _job(d)["properties"].update(share={"anyOf": [{"type": "number", "maximum": 1}, {"type": "null"}]}),
        [f"{_ANSWER}.share: may be null", f"{_SENT}.share: may be null"],
    ),
    "a number of an answer may be larger": (
        lambda d: _job(d)["properties"]["share"].pop("maximum"),
        [f"{_ANSWER}.share: its maximum is none, not 1", f"{_SENT}.share: its maximum is none, not 1"],
    ),
    "a header of a webhook is gone": (
        lambda d: d["webhooks"]["job.done"]["post"]["parameters"].clear(),
        ["POST job.done: header `webhook-id` is gone"],
    ),
}


@pytest.mark.parametrize(("edit", "expected"), BREAKS.values(), ids=BREAKS)
def test_what_breaks_clients_is_named(edit: Callable[[Document], object], expected: list[str]) -> None:
    assert _found(edit) == [f"breaks clients: {message}" for message in expected]


LOOKED_AT: dict[str, tuple[Callable[[Document], object], list[str]]] = {
    "an answer may have a value more": (
        lambda d: _job(d)["properties"]["state"]["enum"].append("lost"),
        [f"{_ANSWER}.state: may be 'lost'", f"{_SENT}.state: may be 'lost'"],
    ),
    "another success": (
        lambda d: _post(d)["responses"].update({"200": {}}),
        ["POST /jobs: answers 200 too"],
    ),
    "a code is gone": (
        lambda d: _post(d)["responses"].update({"404": {"x-codes": ["gone"]}}),
        ["POST /jobs: the answer 404 has no code `not_found` any more"],
    ),
}


@pytest.mark.parametrize(("edit", "expected"), LOOKED_AT.values(), ids=LOOKED_AT)
def test_what_may_surprise_clients_is_told(edit: Callable[[Document], object], expected: list[str]) -> None:
    assert _found(edit) == [f"look at it: {message}" for message in expected]


HARMLESS: dict[str, Callable[[Document], object]] = {
    "nothing": lambda d: None,
    "a new operation": lambda d: d["paths"].update({"/more": {"get": {**_post(d), "operationId": "more"}}}),
    "a new optional field": lambda d: _fields(d).update(who={"type": "string"}),
    "a new field of an answer": lambda d: _job(d)["properties"].update(who={"type": "string"}),
    "a field of an answer that is always there": lambda d: _job(d)["required"].append("note"),
    "a value more that is taken": lambda d: _fields(d)["task"]["enum"].append("summarise"),
    "a longer text": lambda d: _fields(d)["url"].update(maxLength=200),
    "null is taken too": lambda d: _fields(d).update(
        task={"default": "transcribe", "anyOf": [_fields(d)["task"], {"type": "null"}]}
    ),
    "another error": lambda d: _post(d)["responses"].update({"409": {}}),
    "a new optional parameter": lambda d: _post(d)["parameters"].append({"in": "query", "name": "q", "schema": {}}),
    "another name of a schema": lambda d: _renamed(d),
}


def _renamed(document: Document) -> None:
    schemas = document["components"]["schemas"]
    schemas["Request"] = schemas.pop("Body")
    _post(document)["requestBody"]["content"]["application/json"]["schema"]["$ref"] = "#/components/schemas/Request"


@pytest.mark.parametrize("edit", HARMLESS.values(), ids=HARMLESS)
def test_what_clients_need_not_know_is_not_told(edit: Callable[[Document], object]) -> None:
    assert _found(edit) == []


def test_a_field_deep_in_an_answer_is_found_once() -> None:
    """Schemas that hold themselves come to an end."""
    after = copy.deepcopy(_document())
    _job(after)["properties"]["parts"]["items"] = {"type": "string"}
    assert f"breaks clients: {_ANSWER}.parts[]: may be string" in [str(c) for c in changes(_document(), after)]


def test_the_contract_breaks_no_client_of_the_released_one() -> None:
    """If this is meant: `python -m producers.api.web.contract.release --accept-breaking`, and a word to those who use it."""
    broken = [str(change) for change in changes(released(), current()) if change.breaks]
    assert not broken, "\n".join(broken)


def test_the_released_contract_is_that_of_this_version() -> None:
    """What is new is released with it, so that it is kept from then on: `python -m producers.api.web.contract.release`."""
    assert text_of(released()) == text_of(current())
