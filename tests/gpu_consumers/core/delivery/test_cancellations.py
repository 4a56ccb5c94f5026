"""What is cancelled: by its own tenant, up to a run, and in bounded memory."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.delivery.cancellations import Cancellations
from schemas.events import JobControl
from tests.samples import BARE_REQUEST

ORDERS = st.builds(
    JobControl,
    job_id=st.integers(0, 5).map(lambda number: UUID(int=number)),
    run=st.one_of(st.integers(-2, 4), st.just(2**31 - 1)),
    tenant=st.sampled_from("ab"),
    action=st.sampled_from(["cancel", "cancel", "pause"]),
    by=st.just("x"),
    at=st.just(datetime.now(UTC)),
)


@given(st.lists(ORDERS, max_size=30))
def test_a_run_is_cancelled_by_an_order_of_its_tenant_for_it_or_a_later_one(orders: list[JobControl]) -> None:
    cancellations = Cancellations()
    for order in orders:
        cancellations.add(order)
    for number in range(6):
        for tenant in "ab":
            for run in (-(2**31), -1, 0, *range(1, 6), 2**31):
                request = replace(BARE_REQUEST, job_id=UUID(int=number), tenant=tenant, run=run)
                wanted = any(
                    (order.job_id, order.tenant, order.action) == (request.job_id, tenant, "cancel")
                    and order.run >= run
                    for order in orders
                )
                assert cancellations.covers(request) is wanted


def test_the_newest_are_remembered() -> None:
    cancellations = Cancellations(remembered=10)
    for number in range(25):
        cancellations.add(JobControl(job_id=UUID(int=number), run=1, tenant="a", by="x", at=datetime.now(UTC)))
    assert len(cancellations) == 10
    requests = [replace(BARE_REQUEST, job_id=UUID(int=number), tenant="a", run=1) for number in range(25)]
    assert [cancellations.covers(request) for request in requests] == [False] * 15 + [True] * 10
