"""Fixtures of the engine contracts: each suite has its own `loaded`, the weights with the model made of them."""

from typing import Any

import pytest

from gpu_consumers.audio.samples import Samples
from tests.contracts.engines import Weights


@pytest.fixture(scope="module")
def model(loaded: tuple[Weights, Any]) -> Any:
    return loaded[1]


@pytest.fixture(scope="module")
def chosen(loaded: tuple[Weights, Any]) -> Weights:
    return loaded[0]


@pytest.fixture(scope="module")
def samples(chosen: Weights) -> Samples:
    return chosen.samples()


@pytest.fixture(scope="module")
def reports() -> list[float]:
    """The progress of the run that a suite looks at."""
    return []
