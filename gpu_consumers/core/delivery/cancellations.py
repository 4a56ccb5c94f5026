"""Cancelled jobs from the orders of the control topic, in a bounded set, separate per tenant."""

from collections import OrderedDict
from threading import Lock
from uuid import UUID

from schemas.events import JobControl, JobRequested

CANCEL = "cancel"
REMEMBERED = 200_000  # jobs, about 40 MB; the topic is read again at every start, the newest count


class Cancellations:
    """Cancellation orders; any thread may query them while another one adds to them."""

    def __init__(self, remembered: int = REMEMBERED) -> None:
        self._remembered = remembered
        self._runs: OrderedDict[tuple[str, UUID], int] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        return len(self._runs)

    def add(self, order: JobControl) -> None:
        """Add an order; unknown actions of later versions are ignored."""
        if order.action != CANCEL:
            return
        key = order.tenant, order.job_id
        with self._lock:
            self._runs[key] = max(order.run, self._runs.pop(key, order.run))
            if len(self._runs) > self._remembered:
                self._runs.popitem(last=False)

    def covers(self, request: JobRequested) -> bool:
        """Whether this run of a job is cancelled, by an order of its own tenant."""
        with self._lock:
            ordered = self._runs.get((request.tenant, request.job_id))
        # no number stands for "never ordered": a stranger may write any as a run
        return ordered is not None and ordered >= request.run
