"""What is said in the recordings of a folder: its references.json, read and checked.

{"talk.mp3": {"text": "...", "language": "en", "turns": [{"start": 0.5, "end": 2.0, "speaker": "Ann"}]}}: all of it may
be left out. An empty text says that nobody speaks; without turns nobody's voice is told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, TypeAdapter, ValidationError

from schemas.vocabulary.nearest import hint

FILE = "references.json"


class UnusableFolder(Exception):
    """The folder cannot be measured, and why."""


class Spoken(BaseModel):
    """Who speaks from when to when, in seconds; `text` if it is known."""

    start: float
    end: float
    speaker: str
    text: str | None = None


class Reference(BaseModel):
    """What is said in one recording; None where nobody wrote it down."""

    text: str | None = None
    language: str | None = None
    turns: tuple[Spoken, ...] = ()


@dataclass(frozen=True, slots=True)
class Recording:
    """A file with its reference."""

    path: Path
    reference: Reference

    @property
    def name(self) -> str:
        """As the folder calls it."""
        return self.path.name


_REFERENCES = TypeAdapter(dict[str, Reference])


def recordings(folder: Path, only: Sequence[str] = ()) -> tuple[Recording, ...]:
    """Those of a folder, or those of them whose names begin with one of `only`; raises UnusableFolder."""
    found = _references(folder)
    for name in only:
        if not any(known.startswith(name) for known in found):
            raise UnusableFolder(f"no recording of {folder} begins with '{name}'{hint(name, found)}")
    chosen = {name: found[name] for name in found if not only or name.startswith(tuple(only))}
    if missing := [name for name in chosen if not (folder / name).is_file()]:
        raise UnusableFolder(f"{FILE} names recordings that are not in {folder}: {', '.join(missing)}")
    if not chosen:
        raise UnusableFolder(f"{folder / FILE} names no recording")
    return tuple(Recording(folder / name, reference) for name, reference in chosen.items())


def _references(folder: Path) -> dict[str, Reference]:
    path = folder / FILE
    if not path.is_file():
        raise UnusableFolder(f"there is no {path}: it says of each recording what is said in it (see --help)")
    try:
        return _REFERENCES.validate_json(path.read_bytes())
    except ValidationError as error:
        said = "; ".join(f"{'.'.join(map(str, item['loc'])) or 'the file'}: {item['msg']}" for item in error.errors())
        raise UnusableFolder(f"{path}: {said}") from error
