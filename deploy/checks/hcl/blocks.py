"""Blocks and arguments of Terraform's language with their lines; what only Terraform can evaluate stays text."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any


class HclError(Exception):
    """Text that is not HCL, with its line."""


@dataclass(frozen=True, slots=True)
class Expression:
    """Text that only Terraform can evaluate."""

    text: str


Value = Any  # str, int, float, bool, None, list, dict or Expression


@dataclass(frozen=True, slots=True)
class Attribute:
    """An argument with its value."""

    name: str
    value: Value
    text: str
    line: int


@dataclass(frozen=True, slots=True)
class Block:
    """A block with its labels; of a `dynamic` one the content, with what decides on its number in `generator`."""

    type: str
    labels: tuple[str, ...]
    line: int
    attributes: dict[str, Attribute] = field(default_factory=dict)
    blocks: list["Block"] = field(default_factory=list)
    generator: dict[str, Attribute] = field(default_factory=dict)

    def value(self, name: str) -> Value:
        """The value of an argument, None where it is not given."""
        found = self.attributes.get(name)
        return found.value if found else None

    def inner(self, *path: str) -> list["Block"]:
        """All blocks at a path of types."""
        found = [self]
        for step in path:
            found = [child for block in found for child in block.blocks if child.type == step]
        return found

    def walk(self) -> Iterator["Block"]:
        """The block and all below it."""
        yield self
        for child in self.blocks:
            yield from child.walk()

    def expressions(self) -> Iterator[Attribute]:
        """Every argument of this block and of all below it."""
        for block in self.walk():
            yield from block.attributes.values()
            yield from block.generator.values()
