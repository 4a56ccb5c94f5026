"""The tests of a change: found by imports, nearest first, and nothing that takes minutes."""

from pathlib import PurePosixPath

import pytest

from deploy.changed import MOST_FILES, modules_of, names, nearest, paths_of_tests, with_fixtures

IMPORTERS = {
    "sink.jobs": {"streams.persist", "tests.sink.test_jobs", "tests.bench.test_outage"},
    "streams.persist": {"tests.streams.test_persist", "tests.integration.test_service"},
    "tests.sink.conftest": set[str](),
    "tests.sink.test_jobs": set[str](),
    "tests.sink.test_keys": set[str](),
    "tests.streams.test_persist": set[str](),
    "tests.integration.test_service": set[str](),
    "tests.bench.test_outage": set[str](),
    "tests.streams.test_jobs": {"sink.jobs"},  # a circle ends
}


def test_the_nearest_come_first_and_whole_services_not_at_all() -> None:
    assert nearest({"sink.jobs"}, IMPORTERS) == [
        "tests.sink.test_jobs",
        "tests.streams.test_persist",
        "tests.integration.test_service",
    ]


def test_a_test_that_is_changed_is_run_whatever_it_starts() -> None:
    assert nearest({"tests.bench.test_outage"}, IMPORTERS) == ["tests.bench.test_outage"]


def test_the_mirror_of_a_module_is_its_test_even_without_an_import() -> None:
    assert nearest({"sink.keys"}, IMPORTERS) == ["tests.sink.test_keys"]


def test_fixtures_are_imported_by_all_tests_below_them() -> None:
    assert nearest({"tests.sink.conftest"}, with_fixtures(IMPORTERS)) == [
        "tests.sink.test_jobs",
        "tests.sink.test_keys",
    ]


def test_files_are_modules_and_those_that_were_deleted_are_none() -> None:
    modules = {"sink", "sink.jobs"}
    assert modules_of(["sink/jobs.py", "sink/__init__.py", "sink/gone.py"], modules) == modules


@pytest.mark.parametrize(
    ("path", "named"), [("soup/recipes/0001.txt", True), ("soup/COOKBOOK.md", True), ("cake/others.txt", False)]
)
def test_what_is_no_module_belongs_to_those_that_name_it(path: str, named: bool) -> None:
    source = 'FOLDER = files("soup") / "recipes"\nBOOK = ROOT / "COOKBOOK.md"\n'
    assert names(source, PurePosixPath(path)) is named


@pytest.mark.parametrize(
    ("path", "first"),
    [
        ("deploy/changed.py", "tests/deploy/test_changed.py"),
        ("tests/deploy/test_gates.py", "tests/deploy/test_gates.py"),
    ],
)
def test_the_tests_of_this_very_tree_are_found(path: str, first: str) -> None:
    assert paths_of_tests([path])[0] == first


def test_a_change_that_reaches_everything_runs_a_bounded_number_of_files() -> None:
    assert len(paths_of_tests(["tests/conftest.py"])) == MOST_FILES


def test_without_a_change_nothing_belongs_to_it() -> None:
    assert paths_of_tests([]) == []
