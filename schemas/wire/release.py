"""Release of the current schemas: gives each changed event the next id and stores its text for ever.

python -m schemas.wire.release
"""

import json
from pathlib import Path
from typing import Any

from schemas.events import EVENTS
from schemas.wire.avro_reading import AVRO_FOLDER, current_schema


def schema_text(name: str) -> str:
    """The current schema of an event as one self-contained JSON text, shared types inlined once."""
    return json.dumps(_plain(current_schema(name)), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def release(folder: Path = AVRO_FOLDER) -> list[str]:
    """Write manifest and released schemas; returns the names of the events that got a new id."""
    path = folder / "manifest.json"
    current: dict[str, int] = json.loads(path.read_text())["current"] if path.exists() else {}
    released = folder / "released"
    released.mkdir(exist_ok=True)
    next_id = max((int(p.stem) for p in released.glob("*.avsc")), default=0) + 1
    changed = []
    for name in (cls.KIND for cls in EVENTS):
        text = schema_text(name)
        if name in current and (released / f"{current[name]}.avsc").read_text() == text:
            continue
        (released / f"{next_id}.avsc").write_text(text)
        current[name] = next_id
        changed.append(name)
        next_id += 1
    path.write_text(json.dumps({"current": current}, indent=1) + "\n")
    return changed


def _plain(schema: Any) -> Any:
    """A schema without the marks that fastavro leaves on a parsed one."""
    if isinstance(schema, dict):
        return {k: _plain(v) for k, v in schema.items() if not k.startswith("__")}
    return [_plain(item) for item in schema] if isinstance(schema, list) else schema


if __name__ == "__main__":
    print("\n".join(f"released {name}" for name in release()) or "nothing changed")  # noqa: T201 - a command
