"""Source addresses: what each kind may reach, and what arrives."""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit
from uuid import UUID

import pytest

from gpu_consumers.audio.fetch import Fetched, Fetcher, FetchLimits
from schemas.errors import NotOwner, Permanent
from schemas.events import Source
from schemas.settings.outbound import OutboundSettings
from schemas.tenants.permissions import free_policy
from schemas.wire.object_keys import audio_key, upload_key
from sink.http.client import OutboundClient
from sink.memory import MemoryObjectStore

BODY = b"a recording"
SHA = hashlib.sha256(BODY).hexdigest()
JOB = UUID(int=7)
FREE = free_policy("acme")


class Web:
    """The guarded client's twin: one body for every address, and a list of what was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, int, float]] = []

    def download(
        self,
        url: str,
        path: Path,
        *,
        max_bytes: int,
        deadline_seconds: float,
        check: Callable[[], None] | None = None,
        check_host: Callable[[str], None],
    ) -> object:
        check_host(urlsplit(url).hostname or "")
        self.asked.append((url, max_bytes, deadline_seconds))
        if len(BODY) > max_bytes:
            raise Permanent("media_too_large", f"{len(BODY)} bytes, at most {max_bytes}")
        path.write_bytes(BODY)
        return None


@pytest.fixture
def web() -> Web:
    return Web()


@pytest.fixture
def store() -> MemoryObjectStore:
    return MemoryObjectStore("scribe")


@pytest.fixture
def fetcher(web: Web, store: MemoryObjectStore) -> Fetcher:
    return Fetcher(web, store, FetchLimits(1000, 60.0))


def fetch(fetcher: Fetcher, path: Path, uri: str, **announced: object) -> Fetched:
    return fetcher.fetch(FREE, Source(uri=uri, **announced), path / "file", lambda: None)  # type: ignore[arg-type]


def code_of(fetcher: Fetcher, path: Path, uri: str, **announced: object) -> str:
    with pytest.raises(Permanent) as caught:
        fetch(fetcher, path, uri, **announced)
    return caught.value.code


def test_the_web_is_reached_through_the_guarded_client(fetcher: Fetcher, web: Web, tmp_path: Path) -> None:
    """With the limits of this installation, and the address as it was given."""
    fetched = fetch(fetcher, tmp_path, "https://media.example/a.wav?sig=1", sha256=SHA, size_bytes=len(BODY))
    assert (fetched.sha256, fetched.size_bytes, fetched.uri) == (SHA, len(BODY), None)
    assert web.asked == [("https://media.example/a.wav?sig=1", 1000, 60.0)]


def test_objects_of_the_tenant_are_read_in_place(fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path) -> None:
    store.put("acme/calls/1.wav", BODY, content_type="audio/wav")
    assert fetch(fetcher, tmp_path, "s3://scribe/acme/calls/1.wav").uri == "s3://scribe/acme/calls/1.wav"


def test_a_fetch_from_the_store_can_be_stopped_on_the_way(
    fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path
) -> None:
    """For the first stage and for those after it: before anything of the recording is here."""
    store.put("acme/calls/1.wav", BODY, content_type="audio/wav")
    uri, path = "s3://scribe/acme/calls/1.wav", tmp_path / "file"

    def check() -> None:
        assert not path.exists()
        raise NotOwner("lost")

    for call in (
        lambda: fetcher.fetch(FREE, Source(uri=uri), path, check),
        lambda: fetcher.again("acme", uri, SHA, path, check),
    ):
        with pytest.raises(NotOwner):
            call()


def test_uploads_lie_under_the_tenant(fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path) -> None:
    """The same id of another tenant is another upload."""
    store.put(upload_key("acme", JOB), BODY, content_type="audio/wav")
    store.put(upload_key("other", UUID(int=8)), BODY, content_type="audio/wav")
    assert fetch(fetcher, tmp_path, f"upload://{JOB}").uri == store.uri(upload_key("acme", JOB))
    assert code_of(fetcher, tmp_path, f"upload://{UUID(int=8)}") == "source_not_found"


@pytest.mark.parametrize(
    "uri",
    [
        "s3://other-bucket/acme/1.wav",
        "s3://scribe/other/1.wav",
        "s3://scribe/acme",
        "s3://scribe/acme-evil/1.wav",
        "s3://scribe/acme/../other/1.wav",
        "upload://../other",
        "file:///etc/passwd",
        "/etc/passwd",
    ],
)
def test_nothing_else_is_reached(fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path, uri: str) -> None:
    """Neither other tenants, nor other buckets, nor this machine."""
    store.put("other/1.wav", BODY, content_type="audio/wav")
    store.put("acme-evil/1.wav", BODY, content_type="audio/wav")
    assert code_of(fetcher, tmp_path, uri) == "source_refused"


@pytest.mark.parametrize("host", ["localhost", "a.internal", "db", "127.0.0.1", "[::1]"])
def test_a_host_that_is_known_to_be_inside_is_not_looked_up(
    store: MemoryObjectStore, tmp_path: Path, host: str
) -> None:
    """However the job came: Kafka has no door that could have refused it."""
    client = OutboundClient(OutboundSettings(), "production", resolve=_nobody_looks)
    fetcher = Fetcher(client, store, FetchLimits(deadline_seconds=5, max_bytes=1000))
    assert code_of(fetcher, tmp_path, f"https://{host}/a.wav") == "source_refused"


def _nobody_looks(host: str, port: int) -> NoReturn:
    raise AssertionError(f"{host}:{port} was looked up")


def test_a_recording_must_be_the_one_announced(fetcher: Fetcher, tmp_path: Path) -> None:
    assert code_of(fetcher, tmp_path, "https://a.example/", sha256="0" * 64) == "source_changed"
    assert code_of(fetcher, tmp_path, "https://a.example/", size_bytes=1) == "source_changed"


def test_the_limit_holds_for_objects_too(web: Web, store: MemoryObjectStore, tmp_path: Path) -> None:
    store.put("acme/big", BODY, content_type="audio/wav")
    assert code_of(Fetcher(web, store, FetchLimits(5, 60.0)), tmp_path, "s3://scribe/acme/big") == "media_too_large"


def test_fetching_can_be_stopped(fetcher: Fetcher, tmp_path: Path) -> None:
    def stop() -> None:
        raise NotOwner("gone")

    with pytest.raises(NotOwner):
        fetcher.fetch(FREE, Source(uri="https://a.example/"), tmp_path / "file", stop)


def test_what_came_from_outside_is_kept_for_the_next_stage(
    fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path
) -> None:
    """Under the tenant and the job; what is in the store already stays where it is."""
    uri = fetcher.keep("acme", JOB, fetch(fetcher, tmp_path, "https://a.example/"))
    assert uri == store.uri(audio_key("acme", JOB, SHA))
    fetcher.again("acme", uri, SHA, tmp_path / "again", lambda: None)
    assert (tmp_path / "again").read_bytes() == BODY
    assert fetcher.keep("acme", JOB, fetch(fetcher, tmp_path, uri)) == uri


def test_the_next_stage_trusts_digests_not_addresses(
    fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path
) -> None:
    """An object that was replaced meanwhile has other speakers than words."""
    store.put("acme/1.wav", b"another one", content_type="audio/wav")
    with pytest.raises(Permanent) as caught:
        fetcher.again("acme", "s3://scribe/acme/1.wav", SHA, tmp_path / "again", lambda: None)
    assert caught.value.code == "source_changed"
    with pytest.raises(Permanent) as caught:
        fetcher.again("acme", "https://a.example/", SHA, tmp_path / "again", lambda: None)
    assert caught.value.code == "source_refused"


@pytest.mark.parametrize("uri", ["https://a.example/1.wav", "s3://scribe/acme/1.wav"])
def test_what_the_disk_could_never_hold_is_too_large(
    fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    """Waiting for room would have no end; the message says why it is less than the limit."""
    monkeypatch.setattr("gpu_consumers.audio.fetch.capacity", lambda _: len(BODY) - 1)
    store.put("acme/1.wav", BODY, content_type="audio/wav")
    with pytest.raises(Permanent, match="disk of the machine") as caught:
        fetch(fetcher, tmp_path, uri)
    assert caught.value.code == "media_too_large"


def test_only_hosts_of_the_policy_are_called(fetcher: Fetcher, tmp_path: Path) -> None:
    policy = replace(FREE, allowed_hosts=("media.example",))
    fetcher.fetch(policy, Source(uri="https://media.example/a.wav"), tmp_path / "file", lambda: None)
    with pytest.raises(Permanent, match=r"other\.example") as caught:
        fetcher.fetch(policy, Source(uri="https://other.example/a.wav"), tmp_path / "file", lambda: None)
    assert caught.value.code == "source_refused"


@pytest.mark.parametrize("uri", ["s3://scribe/acme/x", "s3://scribe/globex/x", "s3://archive/x"])
def test_what_the_policy_opens_is_read_and_only_the_tenants_own_is_left_where_it_lies(
    fetcher: Fetcher, store: MemoryObjectStore, tmp_path: Path, uri: str
) -> None:
    bucket, key = store.elsewhere(uri)
    bucket.put(key, BODY, content_type="audio/ogg")
    policy = replace(FREE, allowed_prefixes=("s3://scribe/", "s3://archive/"))
    fetched = fetcher.fetch(policy, Source(uri=uri, sha256=SHA), tmp_path / "file", lambda: None)
    assert fetched.path.read_bytes() == BODY
    own = uri if uri == "s3://scribe/acme/x" else store.uri(audio_key("acme", JOB, SHA))
    assert fetcher.keep("acme", JOB, fetched) == own
