"""Signatures before two libraries that are not ours, one of them in another language."""

import pytest
from rich.console import Console

from deploy.local.errors import DownloadFailed
from sink.webhooks.signature import parse_secret
from tests.bench.webhook_signatures import Case, by_java, by_python, drawn, mistakes

CASES = 500


@pytest.fixture(scope="module")
def cases() -> list[Case]:
    return drawn(CASES, seed_of_all=1)


def test_the_python_package_accepts_what_is_genuine_and_nothing_else(cases: list[Case]) -> None:
    assert len(cases) == 2 * CASES
    assert mistakes(cases, by_python(cases)) == []


def test_the_java_library_accepts_what_is_genuine_and_nothing_else(cases: list[Case]) -> None:
    try:
        answers = by_java(cases, Console(stderr=True))
    except DownloadFailed as error:
        pytest.skip(f"the Java library cannot be fetched: {error}")
    assert mistakes(cases, answers) == []


def test_cases_are_of_every_kind(cases: list[Case]) -> None:
    genuine = [case for case in cases if case.good]
    sizes = [len(case.body.encode()) for case in genuine]
    assert min(sizes) == 0
    assert max(sizes) > 100_000
    assert any(not case.body.isascii() for case in genuine)
    assert {case.headers["webhook-signature"].count("v1,") for case in genuine} == {1, 2, 3}
    assert all(len(parse_secret(case.secret)) in range(24, 65) for case in cases)
