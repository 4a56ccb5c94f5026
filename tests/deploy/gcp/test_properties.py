"""What the Terraform for Google Cloud promises about access, data and machines holds, and a breach of each is refused."""

from pathlib import Path

import pytest

import deploy.gcp
from deploy.checks.google import access, compute, stores
from deploy.checks.google.modules import texts_below
from deploy.checks.google.properties import Property, broken

TEXTS = texts_below(Path(next(iter(deploy.gcp.__path__))))
PROPERTIES = (*access.PROPERTIES, *stores.PROPERTIES, *compute.PROPERTIES)


@pytest.mark.parametrize("each", PROPERTIES, ids=lambda each: each.title.replace(" ", "-"))
def test_a_property_holds_and_its_breach_is_seen(each: Property) -> None:
    assert list(broken(TEXTS, [each])) == []


def test_a_rule_that_sees_nothing_is_found() -> None:
    blind = Property("blind", lambda tree: [], *("modules/api/main.tf", "deletion_protection = true", ""))
    gone = Property("gone", lambda tree: [], *("modules/api/main.tf", "what is not there", ""))
    assert [finding.split(" ")[0] for finding in broken(TEXTS, [blind, gone])] == ["nobody", "modules/api/main.tf"]


def test_there_are_enough_of_them() -> None:
    assert len(PROPERTIES) >= 40
    assert len({each.title for each in PROPERTIES}) == len(PROPERTIES)
