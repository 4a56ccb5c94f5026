"""Addresses of objects in one bucket, s3://bucket/key, parsed defensively, since keys may be untrusted."""

from schemas.ports import ObjectRefused
from schemas.wire.object_keys import BUCKET

MAX_KEY_BYTES = 1024


def make_uri(bucket: str, key: str) -> str:
    """The s3:// address of a key."""
    return f"s3://{bucket}/{key}"


def key_of(bucket: str, uri: str) -> str:
    """The key of an address; raises ObjectRefused outside of the bucket and for keys that are not plain."""
    prefix = make_uri(bucket, "")
    if not uri.startswith(prefix):
        raise ObjectRefused(f"s3 addresses must begin with {prefix}")
    return _plain(uri.removeprefix(prefix))


def split_uri(uri: str) -> tuple[str, str]:
    """Bucket and key of an s3:// address; raises ObjectRefused for other names and keys that are not plain."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not BUCKET.fullmatch(bucket):
        raise ObjectRefused("an s3 address names no bucket")
    return bucket, _plain(key)


def _plain(key: str) -> str:
    if not is_plain(key):
        raise ObjectRefused("the key of an s3 address must have no empty, '.' or '..' parts and no control characters")
    return key


def is_plain(key: str) -> bool:
    """Whether a key means the same object in every store, including stores that keep objects as files."""
    parts = key.split("/")
    return (
        key.isprintable()
        and len(key.encode("utf-8", "surrogatepass")) <= MAX_KEY_BYTES
        and all(part not in ("", ".", "..") for part in parts)
    )
