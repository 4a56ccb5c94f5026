"""The object store: any S3-compatible service through boto3, path style."""

import logging
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from copy import copy
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

import boto3.session
import urllib3.exceptions
from boto3.exceptions import Boto3Error
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from schemas.errors import Outage, Permanent, SourceFailed
from schemas.ports import ObjectError, ObjectInfo, ObjectNotFound, ObjectTooLarge, StoredObject
from schemas.settings.stores import ObjectStoreSettings
from sink.objects import google
from sink.objects.disk import reserve
from sink.objects.uri import key_of, make_uri, split_uri

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

log = logging.getLogger(__name__)

PART_BYTES = 8 * 1024 * 1024
CHUNK_BYTES = 1024 * 1024
_NOT_FOUND = frozenset({"NoSuchKey", "404", "NotFound", "NoSuchUpload"})
_EXISTS = frozenset({"PreconditionFailed", "412"})
# answers to HEAD have no body, and so no name for their error
_DENIED = frozenset({"AccessDenied", "403", "NoSuchBucket"})
_LATER = ("Throttl", "Timeout", "SlowDown", "TooMany")  # parts of names that pass although their status is 4xx
_ELSEWHERE = frozenset(
    {"PermanentRedirect", "301", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException"}
)
_READ = {
    "AccessDenied": "there is no such object, or this service may not read it",
    "403": "there is no such object, or this service may not read it",
    "NoSuchBucket": "there is no such bucket",
    "InvalidObjectState": "the object is archived; restore it first",
}


class S3ObjectStore:
    """One bucket of an S3-compatible store; may be used from several threads.

    The credentials need s3:ListBucket besides reading and writing: without it AWS answers AccessDenied for a missing
    object, which then counts as an Outage, as it cannot be distinguished from missing permissions.
    """

    def __init__(self, settings: ObjectStoreSettings, *, patient: bool = True, of_google: bool | None = None) -> None:
        """Create the client; `patient`: retry a store that does not answer, waiting up to 30 seconds each time.

        `of_google`: whether it is Cloud Storage; None: its address tells.
        """
        self.bucket = settings.s3_bucket
        self._home = self.bucket
        self._region = settings.s3_region
        self._client = self._conditional = _client(settings, patient)
        if google.is_google(settings.s3_endpoint) if of_google is None else of_google:
            self._conditional = google.use_own_condition(_client(settings, patient, google.SIGNATURE))

    def close(self) -> None:
        """Close the connections; the store must not be used any more."""
        self._client.close()
        self._conditional.close()

    def uri(self, key: str) -> str:
        """The s3:// address of a key."""
        return make_uri(self.bucket, key)

    def key(self, uri: str) -> str:
        """The key of an s3:// address; raises ObjectRefused outside this bucket."""
        return key_of(self.bucket, uri)

    def elsewhere(self, uri: str) -> tuple["S3ObjectStore", str]:
        """The bucket of an s3:// address and its key, for reading.

        It shares the connections of this store. While our own bucket answers, what that one refuses is an ObjectError,
        and trouble in it SourceFailed, no outage. Raises ObjectRefused for keys that are not plain.
        """
        bucket, key = split_uri(uri)
        other = copy(self)
        other.bucket = bucket
        return other, key

    def put(self, key: str, body: bytes, *, content_type: str, if_absent: bool = False) -> bool:
        """Write an object; with `if_absent` an existing one stays and False is returned."""
        try:
            with self._translated(key):
                if if_absent:
                    self._conditional.put_object(
                        Bucket=self.bucket, Key=key, Body=body, ContentType=content_type, IfNoneMatch="*"
                    )
                else:
                    self._client.put_object(Bucket=self.bucket, Key=key, Body=body, ContentType=content_type)
        except _Exists:
            return False
        return True

    def put_stream(self, key: str, body: BinaryIO, *, content_type: str) -> ObjectInfo:
        """Write an object of unknown size in parts of 8 MB; what `body` raises passes, and nothing remains."""
        counted = _Counted(body)
        with self._translated(key):
            self._client.upload_fileobj(
                cast("BinaryIO", counted),
                self.bucket,
                key,
                ExtraArgs={"ContentType": content_type},
                # in this thread: at most one part in memory, and errors of `body` arrive here as they are
                Config=TransferConfig(
                    multipart_threshold=PART_BYTES, multipart_chunksize=PART_BYTES, use_threads=False
                ),
            )
        return ObjectInfo(self.uri(key), counted.size_bytes, content_type)

    def begin_parts(self, key: str, *, content_type: str) -> str:
        """Begin an object that is written in parts; returns its id."""
        with self._translated(key):
            answer = self._client.create_multipart_upload(Bucket=self.bucket, Key=key, ContentType=content_type)
            return answer["UploadId"]

    def put_part(self, key: str, parts_id: str, number: int, body: bytes | bytearray) -> str:
        """Write a part and return its tag; raises ObjectNotFound when the object was made or aborted."""
        with self._translated(key):
            answer = self._client.upload_part(
                Bucket=self.bucket, Key=key, UploadId=parts_id, PartNumber=number, Body=cast("bytes", body)
            )
            return answer["ETag"]

    def finish_parts(self, key: str, parts_id: str, parts: Sequence[tuple[int, str]]) -> None:
        """Make the object of parts (number and tag); raises ObjectNotFound when it was made or aborted before."""
        listed: list[CompletedPartTypeDef] = [{"PartNumber": number, "ETag": tag} for number, tag in parts]
        with self._translated(key):
            self._client.complete_multipart_upload(
                Bucket=self.bucket, Key=key, UploadId=parts_id, MultipartUpload={"Parts": listed}
            )

    def abort_parts(self, key: str, parts_id: str) -> None:
        """Delete the parts of an object that was never made; no error if there are none."""
        with suppress(ObjectNotFound), self._translated(key):
            self._client.abort_multipart_upload(Bucket=self.bucket, Key=key, UploadId=parts_id)

    def get(self, key: str, *, max_bytes: int | None = None) -> bytes:
        """The whole object.

        Raises ObjectNotFound, ObjectTooLarge, ObjectError(source_unreachable): archived, or its encryption key is away.
        """
        return b"".join(self._chunks(key, max_bytes))

    def part(self, key: str, first: int, size: int, piece: int = CHUNK_BYTES) -> Generator[bytes]:
        """`size` bytes of an object from the byte `first` on, in pieces; raises ObjectNotFound with the first piece."""
        if size <= 0:
            return
        with self._translated(key):
            with self._judged(key):
                wanted = f"bytes={first}-{first + size - 1}"
                answer = self._client.get_object(Bucket=self.bucket, Key=key, Range=wanted)
            with closing(answer["Body"]) as body:
                yield from body.iter_chunks(piece)

    def download(self, key: str, path: Path, *, max_bytes: int, check: Callable[[], None] = lambda: None) -> None:
        """The object into a file; raises as `get` does, and OSError when the disk has no room; then there is no file.

        `check` is called before every MB; what it raises stops the download and passes.
        """
        part = path.with_name(path.name + ".part")
        try:
            with part.open("wb") as file, closing(self._chunks(key, max_bytes, partial(reserve, file))) as chunks:
                for chunk in chunks:
                    check()
                    file.write(chunk)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)

    def info(self, key: str) -> ObjectInfo | None:
        """Metadata of an object, None if there is none."""
        try:
            with self._translated(key), self._judged(key):
                head = self._client.head_object(Bucket=self.bucket, Key=key)
        except ObjectNotFound:
            return None
        return ObjectInfo(self.uri(key), head["ContentLength"], head.get("ContentType"))

    def keys(self, prefix: str) -> Iterator[str]:
        """All keys below a prefix."""
        with self._translated(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield item["Key"]

    def listing(self, prefix: str) -> Iterator[StoredObject]:
        """All objects below a prefix."""
        with self._translated(prefix):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix):
                for item in page.get("Contents", []):
                    yield StoredObject(item["Key"], item["LastModified"])

    def folders(self, prefix: str) -> Iterator[str]:
        """The names that follow a prefix up to the next slash, such as the tenants for an empty one."""
        pages = self._client.get_paginator("list_objects_v2")
        with self._translated(prefix):
            for page in pages.paginate(Bucket=self.bucket, Prefix=prefix, Delimiter="/"):
                for item in page.get("CommonPrefixes", []):
                    yield item["Prefix"].removeprefix(prefix).rstrip("/")

    def delete(self, key: str) -> None:
        """Delete an object; no error if there is none."""
        with self._translated(key):
            self._client.delete_object(Bucket=self.bucket, Key=key)

    def erase(self, prefix: str, spare: tuple[str, ...] = ()) -> int:
        """Delete all objects below a prefix in all versions, except those below a prefix in `spare`; returns how many.

        Objects are deleted one by one, since not every store supports the multi-object request.
        """
        erased = 0
        with self._translated(prefix):
            for key, version in self._versions(prefix):
                if spare and key.startswith(spare):
                    continue
                if version is None:
                    self._client.delete_object(Bucket=self.bucket, Key=key)
                else:
                    self._client.delete_object(Bucket=self.bucket, Key=key, VersionId=version)
                erased += 1
        return erased

    def abort_uploads(self, before: datetime) -> int:
        """Abort multipart uploads that were begun before a time and never finished; returns their number."""
        pages = self._client.get_paginator("list_multipart_uploads")
        aborted = 0
        with self._translated(""):
            for page in pages.paginate(Bucket=self.bucket):
                for item in page.get("Uploads", []):
                    if item["Initiated"] < before:
                        self._client.abort_multipart_upload(
                            Bucket=self.bucket, Key=item["Key"], UploadId=item["UploadId"]
                        )
                        aborted += 1
        return aborted

    def _versions(self, prefix: str) -> Iterator[tuple[str, str | None]]:
        """Keys below a prefix with each of their versions, deletion marks too; None where the bucket has no versions."""
        if not self._is_versioned:
            yield from ((key, None) for key in self.keys(prefix))
            return
        for page in self._client.get_paginator("list_object_versions").paginate(Bucket=self.bucket, Prefix=prefix):
            for item in (*page.get("Versions", []), *page.get("DeleteMarkers", [])):
                yield item["Key"], item["VersionId"]

    @property
    def _is_versioned(self) -> bool:
        """Whether the bucket keeps or kept versions, asked each time, since that may be switched on; a store without any has none."""
        try:
            return self._client.get_bucket_versioning(Bucket=self.bucket).get("Status") is not None
        except ClientError as error:
            if _code(error) != "NotImplemented":
                raise
            return False

    def presign_get(self, key: str, seconds: int) -> str:
        """An address that anybody may read for so many seconds."""
        with self._translated(key):
            return self._client.generate_presigned_url(
                "get_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
            )

    def presign_put(self, key: str, seconds: int, size_bytes: int) -> tuple[str, dict[str, str]]:
        """An address that takes an object of that size, where none is yet, and the headers that go with it."""
        wanted: dict[str, Any] = {"Bucket": self.bucket, "Key": key, "ContentLength": size_bytes}
        once = self._conditional is self._client  # Cloud Storage ignores the condition
        if once:
            wanted["IfNoneMatch"] = "*"
        with self._translated(key):
            address = self._client.generate_presigned_url("put_object", Params=wanted, ExpiresIn=seconds)
        return address, {"If-None-Match": "*"} if once else {}

    def ensure_bucket(self) -> None:
        """Make the bucket if it is missing: for development; in production it is there, with its lifecycle rules."""
        with self._translated(""):
            if any(bucket.get("Name") == self.bucket for bucket in self._client.list_buckets().get("Buckets", [])):
                return
            try:
                if self._region == "us-east-1":  # the one region that must not be named
                    self._client.create_bucket(Bucket=self.bucket)
                else:
                    self._client.create_bucket(
                        Bucket=self.bucket,
                        CreateBucketConfiguration={"LocationConstraint": self._region},  # type: ignore[typeddict-item]
                    )
            except self._client.exceptions.BucketAlreadyOwnedByYou:
                log.debug("bucket %s was made by someone else at the same time", self.bucket)

    def _chunks(
        self, key: str, max_bytes: int | None, announce: Callable[[int], object] = lambda _: None
    ) -> Generator[bytes]:
        with self._translated(key):
            with self._judged(key):
                answer = self._client.get_object(Bucket=self.bucket, Key=key)
            with closing(answer["Body"]) as body:
                if max_bytes is not None and answer["ContentLength"] > max_bytes:
                    raise ObjectTooLarge(answer["ContentLength"], max_bytes)
                announce(answer["ContentLength"])
                yield from body.iter_chunks(CHUNK_BYTES)

    @contextmanager
    def _judged(self, key: str) -> Iterator[None]:
        """Context for reading one object: a refusal concerns only that object if our own bucket answers."""
        try:
            yield
        except ClientError as error:
            code, status = _code(error), _status(error)
            later = status >= 500 or any(word in code for word in _LATER)
            ours = self.bucket == self._home and (later or status < 400)
            if code in _NOT_FOUND or ours or not self._answers():
                raise
            if later:
                raise SourceFailed(f"{self.uri(key)}: the object store answers {code}") from error
            detail = f"{self.uri(key)}: {_READ.get(code, f'the object store answers {code}')}"
            raise (ObjectNotFound(detail) if code in _DENIED else ObjectError("source_unreachable", detail)) from error

    def _answers(self) -> bool:
        """Whether the service's own bucket is usable: then the store is not away and the credentials are right."""
        try:
            self._client.head_bucket(Bucket=self._home)
        except ClientError:
            return False
        return True

    @contextmanager
    def _translated(self, key: str) -> Iterator[None]:
        where = self.uri(key)
        try:
            yield
        except ClientError as error:
            raise _translation(error, where) from error
        except ParamValidationError:  # a bug of ours, not the store's state
            raise
        except (BotoCoreError, Boto3Error, urllib3.exceptions.HTTPError) as error:
            raise Outage(f"object store: {where}: {error}") from error


class _Exists(Exception):
    """A conditional write found an object."""


def _code(error: ClientError) -> str:
    return error.response.get("Error", {}).get("Code", "")


def _status(error: ClientError) -> int:
    return error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)


def _translation(error: ClientError, where: str) -> Exception:
    code = _code(error)
    if code in _NOT_FOUND:
        return ObjectNotFound(where)
    if code in _EXISTS:
        return _Exists(where)
    if _status(error) == 400 and code in ("KeyTooLongError", "InvalidURI", "InvalidArgument", "EntityTooLarge"):
        return Permanent("internal", f"object store: {where}: {error}")
    if code in _ELSEWHERE:
        found = _region_of(error)
        said = f"the bucket is in region {found}" if found else "the bucket is in another region"
        return Outage(f"object store: {where}: {said}: set SCRIBE_S3_REGION")
    if code == "RequestTimeTooSkewed":
        return Outage(f"object store: {where}: {error}; set the clock of this machine by NTP")
    # throttling, 5xx, and also refused credentials and a missing bucket: no record is to blame
    return Outage(f"object store: {where}: {error}")


def _region_of(error: ClientError) -> str | None:
    """The region that the store names in its answer."""
    plain = cast("dict[str, str]", error.response.get("Error", {}))
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    return headers.get("x-amz-bucket-region") or plain.get("Region")


class _Counted:
    """A read-only stream that counts the bytes read."""

    def __init__(self, body: BinaryIO) -> None:
        self._body = body
        self.size_bytes = 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._body.read(size)
        self.size_bytes += len(chunk)
        return chunk


def _client(settings: ObjectStoreSettings, patient: bool, signature: str = "s3v4") -> "S3Client":
    secret = settings.s3_secret_key
    return boto3.session.Session().client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        region_name=settings.s3_region,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        config=Config(
            signature_version=signature,
            s3={"addressing_style": "path"},
            retries={"mode": "standard", "total_max_attempts": 3 if patient else 1},
            connect_timeout=5,
            read_timeout=30 if patient else 5,
            # one a worker thread and more; boto3 warns when a pool overflows
            max_pool_connections=32,
            # checksums in trailers are new: other makers' stores refuse them
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )
