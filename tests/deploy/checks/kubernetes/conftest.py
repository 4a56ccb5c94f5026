"""The rendered overlays, each once for all tests of a process."""

import copy
import shutil
from functools import cache

import pytest

from deploy.checks.kubernetes.manifests import Manifest, Variant, rendered


@cache
def _rendered(variant: Variant) -> list[Manifest]:
    return rendered(variant)


def manifests_of(variant: Variant) -> list[Manifest]:
    """The manifests of a variant, for one test to change; skips where nothing can render them."""
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl, which renders the overlays of deploy/kubernetes")
    return copy.deepcopy(_rendered(variant))


@pytest.fixture
def eks() -> list[Manifest]:
    return manifests_of(Variant("eks"))
