"""Walks through an OpenAPI document: its operations, and the media of their bodies and answers. Pure."""

from collections.abc import Iterator
from typing import Any

METHODS = frozenset({"get", "put", "post", "delete", "patch", "head", "options"})


def operations(document: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every operation with its label, such as `GET /api/v1/jobs`; webhooks too, by their names."""
    for path, item in (*document["paths"].items(), *document.get("webhooks", {}).items()):
        for method, operation in item.items():
            if method in METHODS:
                yield f"{method.upper()} {path}", operation


def media_of(label: str, operation: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every media type object of an operation: of its body and of its answers, each with its place."""
    for kind, media in operation.get("requestBody", {}).get("content", {}).items():
        yield f"{label}: body {kind}", media
    for status, answer in operation["responses"].items():
        for kind, media in answer.get("content", {}).items():
            yield f"{label}: {status} {kind}", media
