"""Selection of the tests for a change: those that import a changed file, directly or through others, nearest first."""

import subprocess
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

import grimp

from deploy.environment import ROOT

PACKAGES = ("schemas", "sink", "producers", "gpu_consumers", "streams", "deploy", "tests")
MOST_FILES = 16
"""Farther ones tell little of a change, and importing them all takes its time."""
MAIN = ("main", "origin/main")
WHOLE_SERVICES = ("tests.system.", "tests.chaos.", "tests.bench.", "tests.deploy.local.")
"""Run when they are changed themselves: each takes a minute or more."""
Importers = Mapping[str, Collection[str]]
"""By module: those that import it."""


def changed_files() -> list[str]:
    """Paths that differ from the point where this branch left main, uncommitted and untracked ones included."""
    base = next((found for name in MAIN if (found := _git("merge-base", "HEAD", name))), ["HEAD"])[0]
    differ = _git("diff", "--name-only", "--no-renames", "--relative", base)
    return sorted({*differ, *_git("ls-files", "--others", "--exclude-standard")})


def _git(*arguments: str) -> list[str]:
    """The lines that git prints; empty where it fails, such as for a branch that does not exist."""
    command = ["git", "-c", "core.quotePath=false", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()


def paths_of_tests(changed: Iterable[str]) -> list[str]:
    """Paths of the test files that belong to these files, nearest first, at most MOST_FILES."""
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    importers = {module: graph.find_modules_that_directly_import(module) for module in graph.modules}
    near = nearest(modules_of(changed, graph.modules), with_fixtures(importers))
    return [path_of(module) for module in near[:MOST_FILES]]


def modules_of(changed: Iterable[str], modules: Collection[str]) -> set[str]:
    """The modules of these files, and those that name one or its folder, such as the reader of the migrations."""
    found: set[str] = set()
    for path in map(PurePosixPath, changed):
        if path.suffix == ".py":
            found |= {".".join(path.with_suffix("").parts).removesuffix(".__init__")} & set(modules)
        else:
            found |= {module for module in modules if names(source_of(module), path)}
    return found


def names(source: str, path: PurePosixPath) -> bool:
    """Whether a source contains the name of a file, or of the folder that it lies in, as a string literal."""
    return any(f'"{name}"' in source for name in (str(path), path.name, path.parent.name) if name)


def source_of(module: str) -> str:
    """The text of one of our modules; empty for a folder without an `__init__.py`."""
    path = ROOT.joinpath(*module.split("."))
    file = path / "__init__.py" if path.is_dir() else path.with_suffix(".py")
    return file.read_text() if file.exists() else ""


def with_fixtures(importers: Importers) -> Importers:
    """The import graph in which the tests of a folder count as importers of its conftest."""
    return {module: {*found, *_below(module, importers)} for module, found in importers.items()}


def _below(module: str, modules: Iterable[str]) -> Iterator[str]:
    folder, _, name = module.rpartition(".")
    return (each for each in modules if name == "conftest" and each.startswith(f"{folder}.") and is_test(each))


def nearest(changed: Collection[str], importers: Importers) -> list[str]:
    """Test modules by the number of imports between them and a change; changed and mirroring tests come first."""
    steps = dict.fromkeys([*changed, *(own for module in changed if (own := own_test(module)) in importers)], 0)
    ring: Sequence[str] = tuple(steps)
    while ring:
        ring = sorted({importer for module in ring for importer in importers.get(module, ())} - steps.keys())
        steps |= dict.fromkeys(ring, max(steps.values()) + 1)
    tests = [module for module in steps if is_test(module) and not (steps[module] and is_whole_service(module))]
    return sorted(tests, key=lambda module: (steps[module], module.startswith("tests.integration."), module))


def own_test(module: str) -> str:
    """The test that mirrors a module."""
    folder, _, name = module.rpartition(".")
    return f"tests.{folder}.test_{name}"


def is_test(module: str) -> bool:
    """Whether pytest collects a module."""
    return module.startswith("tests.") and module.rpartition(".")[2].startswith("test_")


def is_whole_service(module: str) -> bool:
    """Whether a test starts the whole service, which takes too long for the check of a single change."""
    return module.startswith(WHOLE_SERVICES)


def path_of(module: str) -> str:
    """The path of a module's file."""
    return str(Path(*module.split(".")).with_suffix(".py"))
