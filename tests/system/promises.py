"""What holds of jobs whatever was killed, restarted or upgraded while they ran."""

from collections import Counter
from uuid import UUID

from deploy.local.receiver import Receiver
from schemas.events import Outcome
from tests.system.client import Client


def check_once_each(client: Client, receiver: Receiver, jobs: list[UUID]) -> None:
    """The promises of one visible result, one row, one enhancement and one webhook id for each end."""
    results = client.results(*jobs)
    assert Counter(result.job_id for result in results) == dict.fromkeys(jobs, 1)
    assert {result.outcome for result in results} == {Outcome.COMPLETED}
    rows = client.query("SELECT job_id, result_event_id FROM jobs WHERE job_id = ANY(%s) AND state = 'completed'", jobs)
    assert dict(rows) == {result.job_id: result.event_id for result in results}
    deliveries = client.query(
        "SELECT job_id, count(*) FROM webhook_deliveries WHERE job_id = ANY(%s) GROUP BY job_id", jobs
    )
    assert dict(deliveries) == dict.fromkeys(jobs, 2)
    assert len({call.webhook_id for call in receiver.calls}) == 2 * len(jobs)
    enhanced = client.query(
        "SELECT job_id, count(*) FROM enhancements WHERE job_id = ANY(%s) AND outcome = 'completed' GROUP BY job_id",
        jobs,
    )
    assert dict(enhanced) == dict.fromkeys(jobs, 1)
    counts = client.query(
        "SELECT job_id, count(*), max(position) FROM segments WHERE job_id = ANY(%s) GROUP BY job_id", jobs
    )
    assert all(count == last + 1 for _, count, last in counts)
    assert len(counts) == len(jobs)
