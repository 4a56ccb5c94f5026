"""REST client of the command line: returns values and raises errors of the service."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO
from urllib.parse import urlsplit
from uuid import UUID

import httpx

from producers.cli.clients.surroundings import address_of_proxy, building_client, proxy_variable
from producers.messages.patience import waiting_for
from producers.transcripts.formats import Format
from schemas.errors import ERRORS, Outage, Permanent, ScribeError, SettingsError
from schemas.settings.api import ClientSettings
from schemas.transcript import Transcript

TIMEOUT = httpx.Timeout(10.0, connect=5.0)
# the shim answers only when the object store has the file
UPLOAD_TIMEOUT = httpx.Timeout(300.0, connect=5.0)


MOST_LINES = 1000  # of jobs in one request


class Answered(Permanent):
    """An error answer of the shim, with the shim's own message."""

    @property
    def message(self) -> str:
        """The message of the shim."""
        return self.detail


class NoResponse(Outage):
    """A call whose answer was lost, although it may have reached the shim."""


_NOT_CONNECTED = (httpx.ConnectError, httpx.ConnectTimeout, httpx.UnsupportedProtocol, httpx.ProxyError)


class RestClient:
    """Client of the shim; methods raise Outage when it is unavailable and Answered when it refuses."""

    def __init__(self, settings: ClientSettings) -> None:
        if settings.api_key is None:
            raise SettingsError("SCRIBE_API_KEY: is not set; `scribe keys create --tenant NAME` makes a key")
        self._url = settings.api_url
        headers = {"X-API-Key": settings.api_key.get_secret_value()}
        with building_client(settings.api_url):
            self._http = httpx.Client(base_url=settings.api_url, headers=headers, timeout=TIMEOUT)

    @classmethod
    @contextmanager
    def open(cls, settings: ClientSettings) -> Iterator["RestClient"]:
        """A client that is closed at the end."""
        client = cls(settings)
        try:
            yield client
        finally:
            client.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def submit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a recording by its address; returns the job."""
        return self._json("POST", "/api/v1/transcribe", json=dict(body))

    def upload(self, file: BinaryIO, name: str, fields: Mapping[str, str]) -> dict[str, Any]:
        """POST a recording file; returns the job. The file is read while it is sent."""
        return self._json(
            "POST",
            "/api/v1/transcribe/upload",
            files={"file": (name, file)},
            data=dict(fields),
            timeout=UPLOAD_TIMEOUT,
        )

    def bulk(self, lines: bytes, key: str) -> list[dict[str, Any]]:
        """POST up to MOST_LINES jobs, a line of JSON each; returns an outcome for each."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        answer = self._call("POST", "/api/v1/transcribe/bulk", content=lines, headers=headers, timeout=UPLOAD_TIMEOUT)
        return [json.loads(line) for line in answer.text.splitlines()]

    def job(self, job_id: UUID) -> dict[str, Any]:
        """A job with its history."""
        return self._json("GET", f"/api/v1/jobs/{job_id}")

    def waiting(self, job_id: UUID) -> dict[str, Any]:
        """The gates that hold a job, its webhooks and its enhancements."""
        return self._json("GET", f"/api/v1/jobs/{job_id}/waiting")

    def jobs(self, **wanted: Any) -> dict[str, Any]:
        """A page of the tenant's jobs; `wanted` are the parameters of GET /api/v1/jobs, without those that are None."""
        return self._json("GET", "/api/v1/jobs", params=_set(**wanted))

    def cancel(self, job_id: UUID) -> dict[str, Any]:
        """DELETE a job; returns its state after that."""
        return self._json("DELETE", f"/api/v1/jobs/{job_id}")

    def transcript(self, job_id: UUID, revision: str | None = None) -> Transcript:
        """The transcript of a completed job; `revision`: `machine`, a number, or the last one."""
        # what reads Avro too is wanted here alone, and costs a fifth of a command's start
        from schemas.wire.serde import transcript_from_json

        return transcript_from_json(
            self._json("GET", f"/api/v1/jobs/{job_id}/transcript", params=_set(revision=revision))
        )

    def transcript_file(self, job_id: UUID, form: Format, revision: str | None = None) -> bytes:
        """The same as a file."""
        params = _set(format=str(form), revision=revision)
        return self._call("GET", f"/api/v1/jobs/{job_id}/transcript", params=params).content

    def transcript_tag(self, job_id: UUID) -> str:
        """The ETag of the transcript as it is now."""
        return self._call("GET", f"/api/v1/jobs/{job_id}/transcript", params={"format": "txt"}).headers["ETag"]

    def correct(self, job_id: UUID, body: Mapping[str, Any], tag: str) -> tuple[dict[str, Any], str]:
        """PATCH the transcript that has a tag; returns what has changed, and the next tag."""
        path, headers = f"/api/v1/jobs/{job_id}/transcript", {"If-Match": tag}
        answer = self._call("PATCH", path, json=dict(body), headers=headers)
        return answer.json(), answer.headers["ETag"]

    def revisions(self, job_id: UUID, **wanted: Any) -> dict[str, Any]:
        """A page of the revisions of a job's transcript; `wanted` are the parameters, without those that are None."""
        return self._json("GET", f"/api/v1/jobs/{job_id}/revisions", params=_set(**wanted))

    def enhance(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """POST a request for an enhancement; returns the enhancement."""
        return self._json("POST", "/api/v1/enhanced-ai", json=dict(body))

    def enhancement(self, enhancement_id: str) -> dict[str, Any]:
        """The current state of an enhancement."""
        return self._json("GET", f"/api/v1/enhanced-ai/{enhancement_id}")

    def search(self, **wanted: Any) -> dict[str, Any]:
        """A page of hits; `wanted` are the parameters of GET /api/v1/search, without those that are None."""
        return self._json("GET", "/api/v1/search", params=_set(**wanted))

    def models(self) -> list[dict[str, Any]]:
        """The models that jobs may name."""
        models: list[dict[str, Any]] = self._call("GET", "/api/v1/models").json()
        return models

    def _json(self, method: str, path: str, **arguments: Any) -> dict[str, Any]:
        value: dict[str, Any] = self._call(method, path, **arguments).json()
        return value

    def _call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        try:
            with waiting_for(self._url):
                response = self._http.request(method, path, **arguments)
        except httpx.HTTPError as error:
            raise _silence(self._url, error) from error
        if not response.is_success:
            raise hinted(error_of(response), self._url)
        return response


def _set(**wanted: Any) -> dict[str, Any]:
    return {name: value for name, value in wanted.items() if value is not None}


def _silence(url: str, error: httpx.HTTPError) -> Outage:
    """The error for a server that does not answer, with the variable of its address; behind a proxy it is the proxy."""
    connected = not isinstance(error, _NOT_CONNECTED)
    reason = str(error) or type(error).__name__
    variable = proxy_variable(url)
    if variable is None:
        words = f"{url} does not answer ({reason}); is it the address of Scribe Rabbit? See SCRIBE_API_URL"
    elif connected:
        words = f"{url} does not answer through a proxy ({reason}); see SCRIBE_API_URL and {variable}"
    else:
        words = (
            f"the proxy {address_of_proxy(variable)} before {url} does not answer ({reason});"
            f" NO_PROXY names hosts that need none. See {variable}"
        )
    return NoResponse(words) if connected else Outage(words)


def hinted(error: ScribeError, url: str) -> ScribeError:
    """The error with the environment variable that may have caused it, which the shim cannot know."""
    if not isinstance(error, Answered):
        variable = proxy_variable(url)
        return type(error)(f"{error}; see SCRIBE_API_URL{f' and {variable}' if variable else ''}")
    path = urlsplit(url).path
    if error.code == "unauthorized":
        return Answered(error.code, f"{error.detail}; see SCRIBE_API_KEY")
    if error.code == "not_found" and path:
        return Answered(error.code, f"{error.detail}; is {path} of the service's address? See SCRIBE_API_URL")
    return error


def error_of(response: httpx.Response) -> ScribeError:
    """The error in an answer: the shim's own, or an Outage for the answer of a proxy before it."""
    try:
        problem = response.json()
        code, text = problem["code"], f"{problem['title']}: {problem['detail']}"
    except (ValueError, KeyError, TypeError):
        code, text = (
            "",
            f"{response.url.copy_with(query=None)} answered {response.status_code}, and not as Scribe Rabbit does",
        )
    if code not in ERRORS or response.status_code == httpx.codes.SERVICE_UNAVAILABLE:
        return Outage(text)
    return Answered(code, text)
