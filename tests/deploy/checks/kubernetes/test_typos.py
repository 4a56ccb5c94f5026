"""The planted mistakes of `deploy/check kubernetes` can be planted, and are many."""

import pytest

from deploy.checks.kubernetes.manifests import FOLDER
from deploy.checks.kubernetes.typos import TYPOS, ManifestTypo


def test_there_are_more_than_twenty_and_each_is_another() -> None:
    assert len({typo.name for typo in TYPOS}) == len(TYPOS) > 20


@pytest.mark.parametrize("typo", TYPOS, ids=lambda typo: typo.name)
def test_what_becomes_wrong_is_there(typo: ManifestTypo) -> None:
    assert typo.right in (FOLDER / typo.file).read_text()
    assert typo.wrong != typo.right
