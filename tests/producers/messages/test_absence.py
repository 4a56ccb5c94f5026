"""What is not there, in words that do not send anybody after results."""

from uuid import uuid4

import pytest

from producers.inputs.id_prefix import IdPrefix, only_one
from producers.messages.absence import NotThere
from producers.messages.exit_codes import MISTAKE, exit_code
from schemas.errors import ERRORS, Rejected
from sink.postgres.id_lookup import Kind

ADVICE = ERRORS["not_found"].advice


def test_it_is_a_mistake_of_the_caller_without_advice() -> None:
    error = NotThere("no key 'x' that still works")
    assert str(error) == "There is no such thing: no key 'x' that still works"
    assert exit_code(error) == MISTAKE


@pytest.mark.parametrize("kind", Kind)
def test_only_jobs_go_when_their_time_is_over(kind: Kind) -> None:
    with pytest.raises(Rejected, match=f"no {kind} begins with") as caught:
        only_one(IdPrefix(uuid4().hex[:8]), {}, kind)
    assert (ADVICE in str(caught.value)) == (kind is Kind.JOB)
