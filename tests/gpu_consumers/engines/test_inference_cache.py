"""A cache of answers: given back in order, computed once, given up when the batches are others than before."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from gpu_consumers.engines.checkpoints import StoredCheckpoints
from gpu_consumers.engines.inference_cache import Answer, InferenceCache, decode, encode
from sink.memory import MemoryObjectStore

ANSWERS = st.lists(arrays(np.float32, array_shapes(min_dims=2, max_dims=3, max_side=4)), max_size=4)


def asked(cache: InferenceCache, rows: int, number: int) -> tuple[float, bool]:
    """What the cache gives for a batch, and whether the network computed it."""
    asks = []

    def ask() -> Answer:
        asks.append(number)
        return np.full((rows, 2), number, np.float32)

    return float(cache.get_or_compute(rows, 10.0, ask)[0, 0]), bool(asks)


@given(ANSWERS)
def test_answers_come_back_to_the_last_bit(answers: list[Answer]) -> None:
    found = decode(encode(answers))
    assert found is not None
    assert [(a.dtype, a.shape, a.tobytes()) for a in found] == [(a.dtype, a.shape, a.tobytes()) for a in answers]


@pytest.mark.parametrize("damage", ["cut", "pickled", "other names"])
def test_what_we_did_not_write_is_no_answer(damage: str) -> None:
    match damage:
        case "cut":
            body = encode([np.ones((2, 3), np.float32)])[:-30]
        case "pickled":
            body = encode([np.array([[object]], dtype=object)])
        case _:
            body = encode([np.ones((1, 1), np.float32)]).replace(b"arr_0", b"arr_7")
    assert decode(body) is None


@given(st.binary())
def test_bytes_of_anybody_are_no_answer(body: bytes) -> None:
    assert decode(body) is None


def test_what_was_answered_is_not_asked_again() -> None:
    store = MemoryObjectStore()
    first = InferenceCache(StoredCheckpoints(store, "t/j/", 25.0, 25.0))
    assert [asked(first, 2, number) for number in range(3)] == [(0, True), (1, True), (2, True)]
    second = InferenceCache(StoredCheckpoints(store, "t/j/", 25.0, 25.0))
    assert [asked(second, 2, number) for number in (7, 8, 9)] == [(0, False), (1, False), (9, True)]
    second.keep()
    third = InferenceCache(StoredCheckpoints(store, "t/j/", 25.0, 25.0))
    assert [asked(third, 2, number) for number in (5, 5, 5, 5)] == [(0, False), (1, False), (9, False), (5, True)]


def test_another_question_ends_the_cache_and_leaves_what_was_kept_alone() -> None:
    store = MemoryObjectStore()
    first = InferenceCache(StoredCheckpoints(store, "t/j/", 10.0, 10.0))
    assert [asked(first, 2, number) for number in range(2)] == [(0, True), (1, True)]
    other = InferenceCache(StoredCheckpoints(store, "t/j/", 10.0, 10.0))
    assert [asked(other, 2, 5), asked(other, 3, 6), asked(other, 2, 7)] == [(0, False), (6, True), (7, True)]
    again = InferenceCache(StoredCheckpoints(store, "t/j/", 10.0, 10.0))
    assert [asked(again, 2, 8), asked(again, 2, 9)] == [(0, False), (1, False)]


def test_without_checkpoints_everything_is_asked() -> None:
    cache = InferenceCache(None)
    assert [asked(cache, 2, number) for number in range(2)] == [(0, True), (1, True)]
    cache.keep()
