"""One job's way through a worker is read from top to bottom: the calls seldom lead back to a module that was left."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from types import FrameType

import pytest

from tests.gpu_consumers.runtime.execution.executing import ExecutorHarness

MOST_COMEBACKS = 3
STAGE = "gpu_consumers.engines.fake"
VALUES = frozenset({"attempt", "origin"})  # properties


class Reader:
    """Notes the functions of a job's way in the order in which they are read first, without what a stage does."""

    def __init__(self) -> None:
        self.functions: dict[tuple[str, str], None] = {}
        self._inside_stage = 0

    def note(self, frame: FrameType, event: str, _argument: object) -> None:
        """See sys.setprofile."""
        module, function = frame.f_globals.get("__name__", ""), frame.f_code.co_name
        if event == "return":
            self._inside_stage -= self._inside_stage > 0
        elif event == "call" and (self._inside_stage or module == STAGE):
            self._inside_stage += 1
        elif event == "call" and module.startswith("gpu_consumers") and _is_read(function):
            self.functions.setdefault((module, function))

    @property
    def comebacks(self) -> int:
        """How often it came back to a module that it had left, for a function that it had not read."""
        visits = [module for module, _ in groupby(module for module, _ in self.functions)]
        return len(visits) - len(set(visits))


def _is_read(function: str) -> bool:
    return not function.startswith(("<", "__")) and function not in VALUES


@contextmanager
def reading() -> Iterator[Reader]:
    reader, before = Reader(), sys.getprofile()
    sys.setprofile(reader.note)
    try:
        yield reader
    finally:
        sys.setprofile(before)


@pytest.mark.parametrize("outcome", ["completed", "transient", "permanent", "poison", "large"])
def test_a_reader_seldom_comes_back_to_a_module(outcome: str) -> None:
    bench = ExecutorHarness()
    with reading() as reader:
        finished = bench.order(fake_outcome=outcome)
    assert finished is not None
    assert "execute" in [function for _, function in reader.functions]
    assert reader.comebacks <= MOST_COMEBACKS, list(reader.functions)
