"""The client of REST for commands: one try, a notice of slow answers, and errors with the setting to look at."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from urllib.parse import urlsplit
from uuid import UUID

from producers.cli.clients.surroundings import address_of_proxy, building_client, proxy_variable
from producers.client.errors import AnswerError, ClientError, ProblemError, Unreachable
from producers.client.protocol.retries import Retries
from producers.client.sync_client import Client
from producers.messages.patience import waiting_for
from schemas.errors import ERRORS, Outage, Permanent, ScribeError, SettingsError
from schemas.settings.api import ClientSettings
from schemas.transcript import Transcript

TIMEOUT_SECONDS = 10.0
ONCE = Retries(attempts=1)  # who types a command hears at once that nobody answers


class Answered(Permanent):
    """An error answer of the shim, with the shim's own message."""

    @property
    def message(self) -> str:
        """The message of the shim."""
        return self.detail


@contextmanager
def rest_client(settings: ClientSettings) -> Iterator[Client]:
    """A client of the shim; leaving the block raises Outage when it is unavailable and Answered when it refuses."""
    if settings.api_key is None:
        raise SettingsError("SCRIBE_API_KEY: is not set; `scribe keys create --tenant NAME` makes a key")
    url, key = settings.api_url, settings.api_key.get_secret_value()
    with building_client(url):
        client = Client(url, key, timeout_seconds=TIMEOUT_SECONDS, retries=ONCE, around=partial(waiting_for, url))
    with client:
        try:
            yield client
        except ClientError as error:
            raise service_error(error, url) from error


def read_transcript(client: Client, job_id: UUID, revision: str | None = None) -> Transcript:
    """The transcript of a completed job; `revision`: `machine`, a number, or the last one."""
    # what reads Avro too is wanted here alone, and costs a fifth of a command's start
    from schemas.wire.serde import transcript_from_json

    return transcript_from_json(json.loads(client.transcript_file(job_id, "json", revision=revision)))


def is_outage(error: ClientError) -> bool:
    """Whether the shim is away: there is no answer, or one that a proxy before it or another version gave."""
    return not (isinstance(error, ProblemError) and error.code in ERRORS and error.status != 503)


def service_error(error: ClientError, url: str, hint: str = "") -> ScribeError:
    """An error of the client as one of the service, with the variable that may have caused it; `hint` is for outages."""
    if isinstance(error, ProblemError) and not is_outage(error):
        return Answered(error.code, f"{error}{_suspect(error, url)}")
    hint = hint and f"; {hint}"
    if isinstance(error, AnswerError):
        variable = proxy_variable(url)
        return Outage(f"{error}; see SCRIBE_API_URL{f' and {variable}' if variable else ''}{hint}")
    return Outage(f"{_silence(url, error)}{hint}")


def _suspect(error: ProblemError, url: str) -> str:
    """The variable that may be wrong when the shim refuses, which it cannot know."""
    path = urlsplit(url).path
    if error.code == "unauthorized":
        return "; see SCRIBE_API_KEY"
    return f"; is {path} of the service's address? See SCRIBE_API_URL" if error.code == "not_found" and path else ""


def _silence(url: str, error: ClientError) -> str:
    """The message for a server that does not answer, with the variable of its address; behind a proxy it is the proxy."""
    variable = proxy_variable(url)
    if variable is None:
        return f"{url} does not answer ({error}); is it the address of Scribe Rabbit? See SCRIBE_API_URL"
    if not isinstance(error, Unreachable):
        return f"{url} does not answer through a proxy ({error}); see SCRIBE_API_URL and {variable}"
    return (
        f"the proxy {address_of_proxy(variable)} before {url} does not answer ({error});"
        f" NO_PROXY names hosts that need none. See {variable}"
    )
