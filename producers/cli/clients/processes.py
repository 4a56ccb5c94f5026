"""Queries to processes of the service about the jobs they hold, through `/readyz?verbose`."""

from collections.abc import Sequence

import httpx

from producers.messages.patience import waiting_for
from producers.waiting.facts import ProcessFacts
from schemas.errors import Outage, Rejected
from schemas.process.wait_report import WaitReport, from_json

TIMEOUT = httpx.Timeout(10.0, connect=5.0)


def ask_processes(urls: Sequence[str]) -> ProcessFacts:
    """The jobs that each process holds; raises Outage for no answer, Rejected for another kind of server."""
    return ProcessFacts(reports={url: _ask(url.rstrip("/")) for url in urls})


def _ask(url: str) -> WaitReport:
    try:
        with waiting_for(url):
            # 503 tells that it is not ready, and what it holds all the same
            answer = httpx.get(f"{url}/readyz?verbose", timeout=TIMEOUT, trust_env=False)
            return from_json(answer.json())
    except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
        raise Rejected("invalid_request", f"--process {url}: is no address such as http://127.0.0.1:9100") from error
    except httpx.HTTPError as error:
        raise Outage(f"--process {url} does not answer ({error}); it listens on its SCRIBE_METRICS_PORT") from error
    except ValueError as error:
        raise Rejected("invalid_request", f"--process {url}: is no GPU process or Faust app: {error}") from error
