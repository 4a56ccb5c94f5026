"""The GPU runtime on a real broker, with the fake stage."""

import signal
import time
from collections.abc import Iterator

import pytest
from confluent_kafka.admin import AdminClient

from schemas.events import JobResult, Outcome, event_id
from schemas.headers import new_traceparent, trace_id
from schemas.records import Record
from tests.integration.gpu import Group, Member, create_topics, duplicates, headers, job, member, spawn


@pytest.fixture
def group(kafka: str, topic_admin: AdminClient) -> Iterator[Group]:
    """Fresh topics for one group."""
    made, names = create_topics(kafka)
    yield made
    for deletion in topic_admin.delete_topics(names).values():
        deletion.result()


def test_every_job_has_one_visible_result_and_no_lag_remains(group: Group) -> None:
    """200 jobs in, 200 results out, and the group's offsets reach the end."""
    jobs = [job(fake_seconds="0.01") for _ in range(200)]
    group.publish(*jobs)
    with member(group):
        results = group.await_results(200)
        assert {result.job_id for result in results} == {each.job_id for each in jobs}
        assert not duplicates(results)
        assert group.await_no_lag() == 0
