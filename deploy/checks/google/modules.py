"""Terraform modules as they lie in their folders, parsed, with the modules that they call."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath

from deploy.checks.hcl.blocks import Block, HclError
from deploy.checks.hcl.reader import parse


@dataclass(frozen=True)
class Module:
    """One folder of .tf files; `path` is its place below the root of all."""

    path: str
    files: Mapping[str, Block]

    def blocks(self, type: str) -> Iterator[tuple[str, Block]]:
        """The top-level blocks of a type, with their files."""
        for name, body in self.files.items():
            for block in body.blocks:
                if block.type == type:
                    yield f"{self.path}/{name}", block

    def resources(self, *types: str) -> Iterator[Block]:
        """The resources of these types, all without any."""
        for _, block in self.blocks("resource"):
            if not types or block.labels[0] in types:
                yield block

    @cached_property
    def variables(self) -> dict[str, Block]:
        """The variables by name."""
        return {block.labels[0]: block for _, block in self.blocks("variable")}

    @cached_property
    def outputs(self) -> dict[str, Block]:
        """The outputs by name."""
        return {block.labels[0]: block for _, block in self.blocks("output")}

    @cached_property
    def locals(self) -> frozenset[str]:
        """The names of all locals."""
        return frozenset(name for _, block in self.blocks("locals") for name in block.attributes)

    @cached_property
    def declared(self) -> frozenset[tuple[str, str]]:
        """Resources and data sources, the latter as data.TYPE."""
        found = {(block.labels[0], block.labels[1]) for _, block in self.blocks("resource")}
        return frozenset({*found, *((f"data.{block.labels[0]}", block.labels[1]) for _, block in self.blocks("data"))})

    @cached_property
    def calls(self) -> dict[str, Block]:
        """The module calls by name."""
        return {block.labels[0]: block for _, block in self.blocks("module")}

    def called(self, call: Block) -> str:
        """The path of the module that a call names; it may not exist."""
        parts: list[str] = []
        for part in (PurePosixPath(self.path) / str(call.value("source"))).parts:
            if part == "..":
                parts = parts[:-1]
            elif part != ".":
                parts.append(part)
        return "/".join(parts)


@dataclass(frozen=True)
class Tree:
    """All modules below one folder, by their paths."""

    modules: Mapping[str, Module]

    def resources(self, *types: str) -> list[Block]:
        """The resources of these types in every module."""
        return [block for module in self.modules.values() for block in module.resources(*types)]

    def file(self, path: str) -> Block:
        """One parsed file."""
        module, _, name = path.rpartition("/")
        return self.modules[module].files[name]


def texts_below(root: Path) -> dict[str, str]:
    """The text of every .tf file below a folder, by its path."""
    found = (path for path in sorted(root.rglob("*.tf")) if ".terraform" not in path.parts)
    return {path.relative_to(root).as_posix(): path.read_text() for path in found}


def tree_of(texts: Mapping[str, str]) -> Tree:
    """The modules of these files; raises HclError with the file's name."""
    modules: dict[str, dict[str, Block]] = {}
    for path, text in texts.items():
        folder, _, name = path.rpartition("/")
        try:
            modules.setdefault(folder, {})[name] = _parsed(text)
        except HclError as error:
            raise HclError(f"{path}: {error}") from error
    return Tree({path: Module(path, files) for path, files in modules.items()})


@lru_cache(maxsize=256)
def _parsed(text: str) -> Block:
    """A file, read once: changes are planted into one file of many."""
    return parse(text)
