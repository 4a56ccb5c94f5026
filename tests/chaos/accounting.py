"""Accounting: what the shim's metrics say of all jobs, scraped all through a run beside what clients know of them."""

import math
import threading
from collections.abc import Callable, Collection

import httpx
from prometheus_client.parser import text_string_to_metric_families

from schemas.metrics import JOBS, JOBS_ACCEPTED
from tests.chaos.facts import Scrape
from tests.chaos.load import Load
from tests.chaos.plan import Door, Plan

PAUSE_SECONDS = 0.3
ANSWER_SECONDS = 5.0
ACCEPTED, STATES = (next(iter(metric.describe())).name for metric in (JOBS_ACCEPTED, JOBS))


def scraped(text: str, least: int, most: int) -> Scrape | None:
    """The jobs in an answer; None when it says that the database does not tell."""
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    accepted = next((sample.value for sample in families.get(ACCEPTED, ())), float("nan"))
    if math.isnan(accepted):
        return None
    states = {sample.labels["state"]: int(sample.value) for sample in families.get(STATES, ())}
    return Scrape(int(accepted), states, least, most)


class Scraper:
    """A thread that scrapes the shim; an answer that does not come is none."""

    def __init__(self, url: str, plan: Plan, load: Load) -> None:
        """`url` of the metrics."""
        self.scrapes: list[Scrape] = []
        self._url = url
        self._load = load
        rows = [job for job in plan.planned if not job.undecodable]
        self._jobs = {job.number for job in rows}
        self._stored = {job.number for job in rows if job.door in (Door.REST, Door.OUTBOX)}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        """Begin to scrape."""
        self._thread.start()

    def stop(self) -> None:
        """Scrape once more, when all has ended, and no more."""
        self._stopped.set()
        self._thread.join(30)
        self._scrape()

    def _run(self) -> None:
        while not self._stopped.wait(PAUSE_SECONDS):
            self._scrape()

    def _scrape(self) -> None:
        least = _count(lambda: self._load.accepted, self._stored)
        try:
            answer = httpx.get(self._url, timeout=ANSWER_SECONDS, trust_env=False)
        except httpx.HTTPError:
            return
        most = _count(lambda: self._load.begun, self._jobs)
        if answer.is_success and (scrape := scraped(answer.text, least, most)) is not None:
            self.scrapes.append(scrape)


def _count(numbers: Callable[[], Collection[int]], among: Collection[int]) -> int:
    """How many of a set that another thread adds to."""
    return len({number for number in tuple(numbers()) if number in among})
