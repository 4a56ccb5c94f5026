"""Release of the REST contract: what of the OpenAPI document clients rely on, kept as a file beside the code.

python -m producers.api.web.contract.release [--accept-breaking]
"""

import json
import sys
from pathlib import Path
from typing import Any, cast

from producers.api.app import create_app
from producers.api.services import Services
from producers.api.web.contract.compatibility import changes

RELEASED = Path(__file__).with_name("released.json")
ACCEPT = "--accept-breaking"
_WORDS = frozenset({"title", "summary", "description", "example", "examples", "links", "tags", "info"})
_NAMING = frozenset({"properties", "schemas", "headers", "paths", "webhooks", "responses", "content"})
"""Members whose own members are names, not words of the language."""


def current() -> dict[str, Any]:
    """The contract of this version: its document without words and examples, which may change at any time."""
    document = create_app(cast(Services, None)).openapi()
    bare: dict[str, Any] = json.loads(json.dumps(_bare(document, naming=False)))
    return bare


def released() -> dict[str, Any]:
    """The contract that was released last."""
    found: dict[str, Any] = json.loads(RELEASED.read_text())
    return found


def text_of(document: dict[str, Any]) -> str:
    """A contract as the text of its file."""
    return json.dumps(document, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def _bare(value: Any, *, naming: bool) -> Any:
    if isinstance(value, list):
        return [_bare(item, naming=False) for item in value]
    if not isinstance(value, dict):
        return value
    return {
        name: _bare(item, naming=not naming and name in _NAMING)
        for name, item in value.items()
        if naming or name not in _WORDS
    }


def main(arguments: list[str]) -> int:
    """Write the contract of this version; clients that would break are named, and then only ACCEPT writes it."""
    now = current()
    found = changes(released(), now) if RELEASED.exists() else []
    print("\n".join(map(str, found)) or "nothing that clients have to know")  # noqa: T201 - a command
    if any(change.breaks for change in found) and ACCEPT not in arguments:
        return 1
    RELEASED.write_text(text_of(now))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
