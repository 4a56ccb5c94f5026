"""Each gate has a sentence for the owner of the job, a line for the operator, and processes that hold by it."""

import pytest

from schemas.metrics import COUNTED_BY
from schemas.process.wait_reasons import WAIT_REASONS, WaitReason


@pytest.mark.parametrize("reason", WaitReason)
def test_a_reason_tells_owner_and_operator_something(reason: WaitReason) -> None:
    spec = WAIT_REASONS[reason]
    assert spec.reason is reason
    assert spec.sentence.endswith(".")
    assert "`" not in spec.sentence, "the owner of a job runs no commands of ours"
    assert spec.runbook.endswith((".", "?"))
    assert spec.runbook != spec.sentence
    assert spec.holders
    assert set(spec.holders) <= COUNTED_BY.keys()
