"""Large files in pieces by the client: over cuts, in another run of the program, and straight to the object store."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from producers.client import Client, Conflict, InvalidRequest, NotFound
from sink.objects.s3 import S3ObjectStore
from tests.integration.client.breaking import CuttingProxy, cutting
from tests.integration.client.clients import Opener
from tests.integration.rest import rows
from tests.integration.shim import RunningShim, serving

CONTENT = bytes(range(251)) * 80_000  # 20 MB: two pieces


@pytest.fixture
def way(shim: RunningShim) -> Iterator[CuttingProxy]:
    with cutting(shim.url) as proxy:
        yield proxy


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    path = tmp_path / "שיחה.wav"
    path.write_bytes(CONTENT)
    return path


def kept(store: S3ObjectStore, source: str) -> bytes:
    return store.get(f"acme/uploads/{source.removeprefix('upload://')}")


def test_a_large_file_comes_whole_over_a_cut(
    shim: RunningShim, way: CuttingProxy, client_of: Opener, recording: Path, object_store: S3ObjectStore
) -> None:
    """What has come before the cut is not sent again."""
    told: list[tuple[int, int]] = []
    way.sent_bytes = 10_000_000
    api = client_of(way.url, shim.key)
    job = api.upload(recording, resumable_bytes=1, progress=lambda *sent: told.append(sent), language="he")
    assert (job.name, job.options["language"]) == (recording.name, "he")
    assert kept(object_store, job.source) == CONTENT
    assert vars(way)["sent_bytes"] is None  # it was cut
    assert (told[0], told[-1]) == ((0, len(CONTENT)), (len(CONTENT), len(CONTENT)))
    assert told == sorted(told)


def test_another_run_of_the_program_goes_on_with_the_same_file(
    shim: RunningShim, client_of: Opener, recording: Path
) -> None:
    """Not with one that was changed; and one that has expired begins anew."""

    def stop(sent: int, _: int) -> None:
        if sent:
            raise KeyboardInterrupt

    def begun() -> list[Any]:
        return [row[0] for row in rows(shim, "SELECT received_bytes FROM uploads ORDER BY created_at")]

    with pytest.raises(KeyboardInterrupt):
        client_of(shim.url, shim.key).upload(recording, resumable_bytes=1, progress=stop)
    first = begun()
    assert 0 < first[0] < len(CONTENT)
    told: list[int] = []
    api = client_of(shim.url, shim.key)
    api.upload(recording, resumable_bytes=1, progress=lambda sent, _: told.append(sent))
    assert (told[0], begun()) == (first[0], [len(CONTENT)])
    rows(shim, "UPDATE uploads SET expires_at = now() RETURNING 1")
    api.upload(recording, resumable_bytes=1)
    recording.write_bytes(CONTENT[:-1])
    api.upload(recording, resumable_bytes=1)
    assert begun() == [len(CONTENT), len(CONTENT), len(CONTENT) - 1]


def test_small_files_and_those_that_cannot_seek_go_in_a_form(shim: RunningShim, api: Client, recording: Path) -> None:
    assert api.upload(recording).name == recording.name
    assert api.upload(io.BytesIO(b"RIFF"), resumable_bytes=5).name == "recording"
    assert rows(shim, "SELECT count(*) FROM uploads") == [(0,)]
    assert api.upload(io.BytesIO(b"RIFF"), resumable_bytes=4).name == "recording"
    assert rows(shim, "SELECT count(*) FROM uploads") == [(1,)]


def test_pieces_by_hand(api: Client) -> None:
    upload = api.create_upload(8, name="call.wav", priority="express")
    assert api.write_upload(upload.upload_id, 0, b"RIFF") == 4
    assert api.upload_state(upload.upload_id).received_bytes == 4
    with pytest.raises(Conflict) as early:
        api.submit_uploaded(upload.upload_id)
    assert early.value.code == "upload_incomplete"
    with pytest.raises(Conflict) as twice:
        api.write_upload(upload.upload_id, 0, b"RIFF")
    assert twice.value.code == "offset_conflict"
    api.delete_upload(upload.upload_id)
    with pytest.raises(NotFound):
        api.upload_state(upload.upload_id)


def test_a_presigned_upload(database: str, object_store: S3ObjectStore, client_of: Opener) -> None:
    with serving(database, object_store, public_store=object_store) as shim:
        api = client_of(shim.url, shim.key)
        signed = api.presign_upload(len(CONTENT), name="call.wav", priority="standard")
        sent = httpx.put(signed.url, content=CONTENT, headers=signed.headers, trust_env=False, timeout=60)
        assert sent.status_code == 200
        job = api.submit_uploaded(signed.upload.upload_id, language="he")
    assert (job.name, kept(object_store, job.source)) == ("call.wav", CONTENT)


def test_presigned_uploads_that_are_not_offered(api: Client) -> None:
    with pytest.raises(InvalidRequest) as refused:
        api.presign_upload(4)
    assert refused.value.code == "not_offered"
