"""Changes between two OpenAPI documents, and which of them break clients: the rules are the functions of this module. Pure.

A request that was right must stay right, and an answer must be one that a client of before can read.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from producers.api.web.contract.subschemas import Schemas, misfits
from producers.api.web.contract.walk import operations

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class ContractChange:
    """A change of an operation; one that does not break clients is told to whoever releases it."""

    operation: str
    message: str
    breaks: bool = True

    def __str__(self) -> str:
        return f"{'breaks clients' if self.breaks else 'look at it'}: {self.operation}: {self.message}"


def changes(before: Json, after: Json) -> list[ContractChange]:
    """All changes that are not harmless by themselves, in the order of the document of before."""
    found, now = [], dict(operations(after))
    webhooks = {f"POST {name}" for name in before.get("webhooks", {})}
    for label, old in operations(before):
        if (new := now.get(label)) is None:
            found.append(ContractChange(label, "is gone"))
            continue
        compared = _Compared(_schemas(before), _schemas(after))
        each = compared.webhook(old, new) if label in webhooks else compared.operation(old, new)
        found += [ContractChange(label, message, breaks) for message, breaks in each]
    return list(dict.fromkeys(found))


Found = Iterator[tuple[str, bool]]


@dataclass(frozen=True, slots=True)
class _Compared:
    """The schemas that the two documents refer to."""

    before: Schemas
    after: Schemas

    def operation(self, old: Json, new: Json) -> Found:
        yield from _name(old, new)
        yield from _security(old, new)
        yield from self._parameters(old, new)
        yield from self._body(old.get("requestBody"), new.get("requestBody"))
        yield from self._answers(old["responses"], new["responses"])

    def webhook(self, old: Json, new: Json) -> Found:
        """A webhook is sent by the service and read by its receivers: its body is an answer here."""
        yield from self._media("the body", old["requestBody"]["content"], new["requestBody"]["content"])
        gone = {p["name"] for p in old.get("parameters", ())} - {p["name"] for p in new.get("parameters", ())}
        yield from ((f"header `{name}` is gone", True) for name in sorted(gone))

    def _parameters(self, old: Json, new: Json) -> Found:
        known, now = _named(old), _named(new)
        for place, parameter in known.items():
            if place not in now:
                yield f"{_shown(place)} is gone", True
                continue
            if now[place].get("required") and not parameter.get("required"):
                yield f"{_shown(place)} is required", True
            yield from self._asked(_shown(place), parameter["schema"], now[place]["schema"])
        for place in now.keys() - known.keys():
            if now[place].get("required"):
                yield f"{_shown(place)} is new and required", True

    def _body(self, old: Json | None, new: Json | None) -> Found:
        if old is None or new is None:
            if new is not None and new.get("required"):
                yield "a body is required", True
            if old is not None:
                yield "takes no body any more", True
            return
        if new.get("required") and not old.get("required"):
            yield "a body is required", True
        for kind, media in old["content"].items():
            if kind not in new["content"]:
                yield f"takes no body of {kind} any more", True
            else:
                yield from self._asked("the body", media.get("schema", {}), new["content"][kind].get("schema", {}))

    def _answers(self, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
        for status, answer in old.items():
            if status not in new:
                yield f"answers no {status} any more", True
                continue
            yield from self._media(f"the answer {status}", answer.get("content", {}), new[status].get("content", {}))
            for name in sorted(answer.get("headers", {}).keys() - new[status].get("headers", {}).keys()):
                yield f"the answer {status} has no header `{name}` any more", True
            for code in answer.get("x-codes", ()):
                if code not in new[status].get("x-codes", ()):
                    yield f"the answer {status} has no code `{code}` any more", False
        for status in new.keys() - old.keys():
            if status.startswith("2"):
                yield f"answers {status} too", False

    def _media(self, place: str, old: Mapping[str, Json], new: Mapping[str, Json]) -> Found:
        for kind, media in old.items():
            if kind not in new:
                yield f"{place} is not {kind} any more", True
                continue
            found = misfits(new[kind].get("schema", {}), self.after, media.get("schema", {}), self.before, closed=False)
            # a client that does not know a value can still read the rest
            yield from ((f"{place}{misfit}", not misfit.is_new_value) for misfit in found)

    def _asked(self, place: str, old: Json, new: Json) -> Found:
        for misfit in misfits(old, self.before, new, self.after, closed=True):
            yield f"{place}{misfit}", True
        if old.get("default") != new.get("default"):
            yield f"{place}: its default is {new.get('default')!r}, not {old.get('default')!r}", False


def _name(old: Json, new: Json) -> Found:
    if old["operationId"] != new["operationId"]:
        yield f"is called {new['operationId']}, not {old['operationId']}, as generated clients do", True


def _security(old: Json, new: Json) -> Found:
    if lost := [entry for entry in old.get("security", [{}]) if entry not in new.get("security", [{}])]:
        yield f"does not accept {' or '.join(*lost) or 'a request without a key'} any more", True


def _named(operation: Json) -> dict[tuple[str, str], Json]:
    return {(parameter["in"], parameter["name"]): parameter for parameter in operation.get("parameters", ())}


def _shown(place: tuple[str, str]) -> str:
    return f"parameter `{place[1]}` ({place[0]})"


def _schemas(document: Json) -> Schemas:
    found: Schemas = document.get("components", {}).get("schemas", {})
    return found
