"""Ends of a delivery that the broker does not take, or that find no room: less of them each time."""

from dataclasses import replace
from datetime import datetime

import pytest

from gpu_consumers.core.delivery.error_policy import ErrorPolicy, Settlement
from gpu_consumers.core.delivery.messages import Delivery, Job
from producers.kafka.publisher import fits
from schemas.errors import Fatal, ScribeError
from schemas.retries.topic_ladder import RetryPolicy
from schemas.wire.headers import VALUE_OMITTED
from tests.foreign import raw
from tests.gpu_consumers.runtime.execution.executing import GROUP, ExecutorHarness, ordered, result_of
from tests.samples import BARE_REQUEST, FULL_REQUEST


def test_the_failed_result_of_a_record_as_large_as_a_broker_takes_fits_into_one() -> None:
    result = result_of(ExecutorHarness().deliver(raw(FULL_REQUEST, {"options.prompt": "p" * 1_040_000})))
    assert (result.request.webhook_url, result.error and result.error.code) == (
        FULL_REQUEST.webhook_url,
        "request_too_large",
    )


def test_a_failed_result_without_room_loses_its_metadata() -> None:
    """The request is within the limit, the failed result that carries it is not."""
    finished = ExecutorHarness().order(fake_outcome="permanent", note="x" * 999_780)
    result = result_of(finished)
    assert result.error is not None
    assert (result.error.code, result.request.metadata) == ("media_no_audio", {})


def test_a_job_whose_failure_has_no_room_fails_with_less_of_its_request() -> None:
    huge = replace(BARE_REQUEST, source=replace(BARE_REQUEST.source, uri="https://a.example/" + "x" * 999_700))
    finished = ExecutorHarness().order(huge, fake_outcome="permanent")
    assert finished is not None
    assert finished.outcome == "failed"
    result = result_of(finished)
    assert result.error is not None
    assert result.error.code == "media_no_audio"


CROWD = {f"x-{number}": "a" * 1000 for number in range(2000)}


@pytest.mark.parametrize("value", [b"nonsense", b"x" * 1_040_000])
def test_the_headers_of_a_stranger_do_not_keep_a_dead_letter_from_being_written(value: bytes) -> None:
    """The broker's limit is of compressed bytes: so many headers do arrive."""
    finished = ExecutorHarness().deliver(value, CROWD)
    assert finished is not None
    [record] = finished.records
    assert (record.topic, record.value) == (f"{GROUP}.dlq", value)
    assert fits((record,))


def test_a_retry_drops_foreign_headers_before_its_value() -> None:
    finished = ExecutorHarness().deliver(ordered(fake_outcome="transient"), CROWD)
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.value) == ("retried", ordered(fake_outcome="transient"))
    assert fits((record,))


def test_a_job_that_no_retry_can_carry_fails() -> None:
    """Without its value the next attempt would be poison, and the client would never hear of the job."""
    bench = ExecutorHarness()
    finished = bench.order(fake_outcome="transient")
    assert finished is not None
    assert finished.outcome == "retried"
    failed = bench.executor.ends.refuse(finished)
    assert failed.outcome == "failed"
    error = result_of(failed).error
    assert error is not None
    assert error.code == "request_too_large"


class Unsettled(ErrorPolicy):
    """A policy with a bug."""

    def settle(self, error: ScribeError, delivery: Delivery, job: Job | None, now: datetime) -> Settlement:
        raise ZeroDivisionError


def test_an_error_while_settling_ends_as_a_dead_letter_with_the_original_bytes() -> None:
    bench = ExecutorHarness(policy=Unsettled(GROUP, retry=RetryPolicy(GROUP)))
    finished = bench.order(fake_outcome="permanent")
    assert finished is not None
    [record] = finished.records
    assert (finished.outcome, record.topic) == ("dead_lettered", f"{GROUP}.dlq")
    assert record.value == ordered(fake_outcome="permanent")


def test_a_poison_record_of_the_largest_size_still_reaches_the_dead_letters() -> None:
    finished = ExecutorHarness().deliver(b"x" * 1_047_900)
    assert finished is not None
    [record] = finished.records
    assert (record.value, record.headers[VALUE_OMITTED]) == (None, "1047900")


def test_records_that_the_broker_refuses_end_differently_each_time() -> None:
    """A result, its failure, that without free texts, a dead letter, an empty one; then nothing is left to try."""
    bench = ExecutorHarness()
    finished = bench.order(note="x")
    assert finished is not None
    failed = bench.executor.ends.refuse(finished)
    assert result_of(failed).request.metadata == {"note": "x"}
    slimmed = bench.executor.ends.refuse(failed)
    assert (slimmed.outcome, result_of(slimmed).request.metadata) == ("failed", {})
    assert result_of(slimmed).error == result_of(failed).error
    whole = bench.executor.ends.refuse(slimmed)
    assert [record.value for record in whole.records] == [ordered(note="x")]
    dead = bench.executor.ends.refuse(whole)
    assert [record.value for record in dead.records] == [None]
    with pytest.raises(Fatal, match="refuses even"):
        bench.executor.ends.refuse(dead)
