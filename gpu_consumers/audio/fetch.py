"""Fetching of a source address into a local file, within the tenant's permissions."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit
from uuid import UUID

from gpu_consumers.files import sha256_of
from schemas.errors import Permanent
from schemas.events import Source, TenantPolicy
from schemas.ports import ObjectStore
from schemas.tenants.permissions import check_host, may_read, own_key
from schemas.wire.object_keys import audio_key, upload_key
from sink.objects.disk import capacity


class Downloads(Protocol):
    """The guarded client for untrusted addresses; sink.http.client.OutboundClient is one."""

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
        """Fetch `url` into `path`; raises Permanent, SourceFailed, Outage, or OSError when the disk has no room.

        What `check_host` raises for a host that would be called, at first or by a redirect, passes.
        """


@dataclass(frozen=True, slots=True)
class FetchLimits:
    """Limits of one fetch: the recording's size in bytes, and the time in seconds."""

    max_bytes: int
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Fetched:
    """A recording on this machine; `uri` is its s3:// address if the object store already has it."""

    path: Path
    sha256: str
    size_bytes: int
    uri: str | None


class Fetcher:
    """Fetches recordings from the web, from the object store and from uploads; may be used from several threads."""

    def __init__(self, downloads: Downloads, store: ObjectStore, limits: FetchLimits) -> None:
        self._downloads = downloads
        self._store = store
        self._limits = limits

    def fetch(self, policy: TenantPolicy, source: Source, path: Path, check: Callable[[], None]) -> Fetched:
        """Fetch the recording of `source` into `path`, if the tenant's `policy` allows it.

        `check` is called on the way and may raise to stop.

        Raises Permanent: source_refused, source_not_found, source_unreachable, source_changed, media_too_large.
        """
        scheme = urlsplit(source.uri).scheme
        if scheme in ("https", "http"):
            with self._at_most(path) as max_bytes:
                self._downloads.download(
                    source.uri,
                    path,
                    max_bytes=max_bytes,
                    deadline_seconds=self._limits.deadline_seconds,
                    check=check,
                    check_host=partial(check_host, policy),
                )
            uri = None
        else:
            store, key, uri = self._place(policy, source.uri, scheme)
            with self._at_most(path) as max_bytes:
                store.download(key, path, max_bytes=max_bytes, check=check)
        check()
        fetched = Fetched(path, sha256_of(path), path.stat().st_size, uri)
        _check_announced(source, fetched)
        return fetched

    def keep(self, tenant: str, job_id: UUID, fetched: Fetched) -> str:
        """The s3:// address at which later stages find the recording; uploads it when it is missing there."""
        if fetched.uri is not None:
            return fetched.uri
        key = audio_key(tenant, job_id, fetched.sha256)
        with fetched.path.open("rb") as body:
            return self._store.put_stream(key, body, content_type="application/octet-stream").uri

    def again(self, tenant: str, uri: str, sha256: str, path: Path, check: Callable[[], None]) -> None:
        """Fetch a recording that an earlier stage stored; `check` as for `fetch`.

        Raises Permanent(source_changed) when it is another one now.
        """
        with self._at_most(path) as max_bytes:
            self._store.download(self._key(tenant, uri, "s3"), path, max_bytes=max_bytes, check=check)
        if sha256_of(path) != sha256:
            raise Permanent("source_changed", f"{uri} is not what was transcribed")

    @contextmanager
    def _at_most(self, path: Path) -> Iterator[int]:
        """The limit of a fetch in bytes: the limit per job, or the capacity of the disk if that is smaller."""
        disk = capacity(path.parent)
        try:
            yield min(disk, self._limits.max_bytes)
        except Permanent as error:
            if error.code != "media_too_large" or disk >= self._limits.max_bytes:
                raise
            raise Permanent(error.code, f"{error.detail}, the whole disk of the machine that works on it") from error

    def _place(self, policy: TenantPolicy, uri: str, scheme: str) -> tuple[ObjectStore, str, str | None]:
        """The location of an object, and its address if it is the tenant's own.

        For any other address, later stages get a copy, which this service deletes.
        """
        if may_read(policy, uri) and not uri.startswith(self._store.uri(f"{policy.tenant}/")):
            return *self._store.elsewhere(uri), None
        key = self._key(policy.tenant, uri, scheme)
        return self._store, key, self._store.uri(key)

    def _key(self, tenant: str, uri: str, scheme: str) -> str:
        if scheme == "upload":
            return upload_key(tenant, _upload_id(uri))
        if scheme != "s3":
            raise Permanent("source_refused", f"addresses that begin with '{scheme[:20]}:' are not fetched")
        return own_key(tenant, uri, self._store.key)


def _upload_id(uri: str) -> UUID:
    try:
        return UUID(uri.removeprefix("upload://"))
    except ValueError as error:
        raise Permanent("source_refused", "an upload's address is upload:// and its id") from error


def _check_announced(source: Source, fetched: Fetched) -> None:
    if source.size_bytes is not None and source.size_bytes != fetched.size_bytes:
        raise Permanent("source_changed", f"{fetched.size_bytes} bytes instead of {source.size_bytes}")
    if source.sha256 is not None and source.sha256 != fetched.sha256:
        raise Permanent("source_changed", f"sha256 {fetched.sha256} instead of {source.sha256}")
