"""The reason for a dead letter, by the kind and number of an error."""

import pytest

from schemas.errors import Outage, Permanent, Poison, Transient
from schemas.retries.schedules import RECORD_TRIES
from sink.postgres.database import Conflict
from streams.runtime.dead_letters import DeadLetterReason, after_error


@pytest.mark.parametrize("tries", [1, 2, 1000])
@pytest.mark.parametrize("error", [Outage("away"), Conflict("met another")])
def test_an_outage_is_waited_out_however_long_it_lasts(error: Exception, tries: int) -> None:
    assert after_error(error, tries) is None


def test_a_transient_error_is_tried_again_and_then_set_aside() -> None:
    letters = [after_error(Transient("hm"), tries) for tries in range(1, RECORD_TRIES + 1)]
    assert letters == [None] * (RECORD_TRIES - 1) + [DeadLetterReason("internal", "internal", "Transient: hm")]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (Poison("no Avro"), "poison", "undecodable"),
        (Permanent("source_changed", "other bytes"), "source", "source_changed"),
        (KeyError("x"), "internal", "internal"),
    ],
)
def test_what_can_never_work_is_set_aside_at_once(error: Exception, kind: str, code: str) -> None:
    letter = after_error(error, 1)
    assert letter is not None
    assert (letter.kind, letter.code) == (kind, code)
    assert letter.message
