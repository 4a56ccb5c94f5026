"""Uploads in pieces with clients that others wrote: tuspy."""

import signal
from io import BytesIO
from typing import Any

import httpx
import pytest

from deploy.local.stack import Stack
from sink.objects.s3 import S3ObjectStore
from sink.tenants.api_keys import create_key
from tests.integration.shim import in_database
from tests.integration.test_api_process import api
from tests.integration.test_rest_resumable import CONTENT, id_in, job_of

tusclient = pytest.importorskip("tusclient.client", reason="tuspy is not installed")
CHUNK = 3_000_000


def uploader(client: httpx.Client, path: str | None = None) -> Any:
    """Of the recording, from its begin or from where the upload at a path is; every piece goes with its SHA-1."""
    address = f"{client.base_url}/api/v1/uploads"
    return tusclient.TusClient(address, headers={"X-API-Key": client.headers["X-API-Key"]}).uploader(
        file_stream=BytesIO(CONTENT),
        chunk_size=CHUNK,
        url=path and str(client.base_url.join(path)),
        metadata={"filename": "call 17.opus"},
        upload_checksum=True,
    )


def test_tuspy_goes_on_at_another_process_after_the_first_was_killed(
    stack: Stack, database: str, bucket: str, object_store: S3ObjectStore
) -> None:
    key = in_database(database, lambda database: create_key(database, "acme"))
    settings = {**stack.environment(), "SCRIBE_POSTGRES_DSN": database, "SCRIBE_S3_BUCKET": bucket}
    with api(**settings) as (process, client):
        client.headers["X-API-Key"] = key
        first = uploader(client)
        first.upload(stop_at=3 * CHUNK)
        process.send_signal(signal.SIGKILL)
        process.wait()
    path = httpx.URL(first.url).path
    with api(**settings) as (_, client):
        client.headers["X-API-Key"] = key
        again = uploader(client, path)
        assert again.offset == 3 * CHUNK
        again.upload()
        job = job_of(client, path)
    assert (job.status_code, job.json()["name"]) == (202, "call 17.opus")
    assert object_store.get(f"acme/uploads/{id_in(path)}") == CONTENT
