"""What only a real store has: outages, refusals, cut bodies, parts, presigned addresses, threads."""

import io
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from botocore.exceptions import ParamValidationError
from botocore.stub import Stubber

from deploy.local.stack import Stack
from schemas.errors import Outage, Permanent, SourceFailed
from schemas.settings.stores import ObjectStoreSettings
from sink.objects.disk import is_full
from sink.objects.s3 import S3ObjectStore
from tests.sink.strangers import Script, StrangersServer, Visit, answer, stranger


def store_at(endpoint: str, *, bucket: str = "bucket", secret: str = "secret") -> S3ObjectStore:
    return S3ObjectStore(
        ObjectStoreSettings.model_validate(
            {"s3_endpoint": endpoint, "s3_bucket": bucket, "s3_access_key": "key", "s3_secret_key": secret}
        )
    )


CALLS: dict[str, Callable[[S3ObjectStore], object]] = {
    "put": lambda store: store.put("k", b"x", content_type="text/plain"),
    "put_stream": lambda store: store.put_stream("k", io.BytesIO(b"x"), content_type="text/plain"),
    "get": lambda store: store.get("k"),
    "info": lambda store: store.info("k"),
    "keys": lambda store: list(store.keys("")),
    "delete": lambda store: store.delete("k"),
    "ensure_bucket": lambda store: store.ensure_bucket(),
}


def talk(server: StrangersServer, call: Callable[[S3ObjectStore], object]) -> object:
    with closing(store_at(f"http://127.0.0.1:{server.port}")) as store:
        return call(store)


def error_answer(status: int, code: str) -> Script:
    return answer(status, f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode())


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_store_that_is_away_is_an_outage(deaf_port: int, call: Callable[[S3ObjectStore], object]) -> None:
    with closing(store_at(f"http://127.0.0.1:{deaf_port}")) as store, pytest.raises(Outage, match="object store"):
        call(store)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (503, "SlowDown"),
        (500, "InternalError"),
        (403, "AccessDenied"),
        (403, "InvalidAccessKeyId"),
        (404, "NoSuchBucket"),
    ],
)
def test_what_the_operator_or_time_must_mend_is_an_outage(status: int, code: str) -> None:
    with stranger(error_answer(status, code)) as server, pytest.raises(Outage, match=code):
        talk(server, CALLS["get"])


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (301, "PermanentRedirect", "the bucket is in region eu-central-1: set SCRIBE_S3_REGION"),
        (400, "AuthorizationHeaderMalformed", "the bucket is in region eu-central-1: set SCRIBE_S3_REGION"),
        (400, "IllegalLocationConstraintException", "the bucket is in region eu-central-1: set SCRIBE_S3_REGION"),
        (403, "RequestTimeTooSkewed", "set the clock of this machine by NTP"),
    ],
)
def test_another_region_and_another_time_are_named(status: int, code: str, words: str) -> None:
    """As AWS answers."""
    body = f"<Error><Code>{code}</Code><Message>m</Message><Region>eu-central-1</Region></Error>"
    with stranger(answer(status, body.encode())) as server, pytest.raises(Outage, match=words):
        talk(server, CALLS["get"])


def by_place(at_object: Script, at_bucket: Script) -> Script:
    """A store that answers one way for an object and another way for its bucket."""
    return lambda visit: (at_bucket if visit.head.split()[1] == b"/bucket" else at_object)(visit)


@pytest.mark.parametrize(
    ("status", "code", "expected", "says"),
    [
        (403, "InvalidObjectState", "source_unreachable", "archived"),
        (400, "KMS.DisabledException", "source_unreachable", "KMS.DisabledException"),
        (400, "InvalidRequest", "source_unreachable", "InvalidRequest"),  # encrypted with its owner's key
        (403, "AccessDenied", "source_not_found", "may not read"),
    ],
)
def test_what_is_wrong_with_one_object_is_no_outage(
    status: int, code: str, expected: str, says: str, tmp_path: Path
) -> None:
    """The bucket answers, so waiting would help nobody."""
    with stranger(by_place(error_answer(status, code), answer(200))) as server:
        for call in (CALLS["get"], lambda store: store.download("k", tmp_path / "x", max_bytes=10)):
            with pytest.raises(Permanent, match=says) as caught:
                talk(server, call)
            assert caught.value.code == expected
        with pytest.raises(Outage):
            talk(server, CALLS["put"])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("status", "code"), [(403, "AccessDenied"), (404, "NoSuchBucket")])
def test_a_bucket_of_others_that_refuses_is_no_outage_while_ours_answers(status: int, code: str) -> None:
    def ask(store: S3ObjectStore) -> object:
        bucket, key = store.elsewhere("s3://others/calls/x.wav")
        return bucket.get(key)

    with stranger(by_place(error_answer(status, code), answer(200))) as server:
        with pytest.raises(Permanent, match=r"s3://others/calls/x\.wav: there is no such") as caught:
            talk(server, ask)
        assert caught.value.code == "source_not_found"
    with stranger(by_place(error_answer(status, code), answer(403))) as server, pytest.raises(Outage):
        talk(server, ask)


@pytest.mark.parametrize(
    ("status", "code", "means"),
    [
        (503, "SlowDown", SourceFailed),
        (500, "InternalError", SourceFailed),
        (301, "PermanentRedirect", Permanent),
        (400, "KMS.ThrottlingException", SourceFailed),
    ],
)
def test_trouble_in_a_bucket_of_others_waits_for_nobody_else(status: int, code: str, means: type[Exception]) -> None:
    def ask(store: S3ObjectStore) -> object:
        bucket, key = store.elsewhere("s3://others/calls/x.wav")
        return bucket.get(key)

    def at_others(visit: Visit) -> None:
        (error_answer(status, code) if b"/others/" in visit.head.split(b" ")[1] else answer(200))(visit)

    with stranger(at_others) as server, pytest.raises(means):
        talk(server, ask)


def test_an_object_that_may_not_be_looked_at_is_not_there() -> None:
    """Answers to HEAD have no body: only their status tells."""
    with stranger(by_place(answer(403), answer(200))) as server:
        assert talk(server, CALLS["info"]) is None


@pytest.mark.parametrize(
    ("status", "code"), [(403, "AccessDenied"), (403, "InvalidObjectState"), (400, "KMS.ThrottlingException")]
)
@pytest.mark.parametrize("at_bucket", [403, 503])
def test_a_refusal_while_the_bucket_is_away_is_an_outage(status: int, code: str, at_bucket: int) -> None:
    with (
        stranger(by_place(error_answer(status, code), answer(at_bucket))) as server,
        pytest.raises(Outage, match="object store"),
    ):
        talk(server, CALLS["get"])


def test_a_busy_key_service_is_an_outage() -> None:
    with (
        stranger(by_place(error_answer(400, "KMS.ThrottlingException"), answer(200))) as server,
        pytest.raises(Outage, match="Throttling"),
    ):
        talk(server, CALLS["get"])


def test_a_body_that_is_cut_off_is_an_outage_and_leaves_no_file(tmp_path: Path) -> None:
    with stranger(lambda visit: visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nsound")) as server:
        with pytest.raises(Outage):
            talk(server, CALLS["get"])
        with pytest.raises(Outage):
            talk(server, lambda store: store.download("k", tmp_path / "x", max_bytes=10))
    assert list(tmp_path.iterdir()) == []


def test_a_disk_without_room_is_found_out_before_the_first_byte(tmp_path: Path) -> None:
    def script(visit: Visit) -> None:
        visit.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % 2**43)
        visit.wait()

    with stranger(script) as server, pytest.raises(OSError, match="No space left") as caught:
        talk(server, lambda store: store.download("k", tmp_path / "x", max_bytes=2**44))
    assert is_full(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_failed_for_a_moment_is_sent_again() -> None:
    ends = iter([error_answer(503, "SlowDown"), Visit.reset, answer(200)])
    with stranger(lambda visit: next(ends)(visit)) as server:
        assert talk(server, CALLS["put"]) is True
        assert len(server.visits) == 3


def test_a_write_that_another_one_meets_is_an_outage() -> None:
    with stranger(error_answer(409, "ConditionalRequestConflict")) as server, pytest.raises(Outage):
        talk(server, lambda store: store.put("k", b"x", content_type="text/plain", if_absent=True))


def test_a_key_that_no_store_takes_is_the_callers_fault() -> None:
    with stranger(error_answer(400, "KeyTooLongError")) as server, pytest.raises(Permanent, match="KeyTooLong"):
        talk(server, CALLS["put"])
    with closing(store_at("http://127.0.0.1:1")) as store, pytest.raises(ParamValidationError):
        store.get("")


def test_wrong_credentials_are_an_outage(s3_server: Stack, bucket: str) -> None:
    with closing(store_at(s3_server.s3_endpoint, bucket=bucket)) as store, pytest.raises(Outage):
        store.get("k")


def test_a_missing_bucket_is_made_once(s3_server: Stack, object_store: S3ObjectStore) -> None:
    settings = ObjectStoreSettings.model_validate(
        {
            "s3_endpoint": s3_server.s3_endpoint,
            "s3_bucket": object_store.bucket + "-new",
            "s3_access_key": s3_server.s3_access_key,
            "s3_secret_key": s3_server.s3_secret_key,
        }
    )
    with closing(S3ObjectStore(settings)) as store:
        with pytest.raises(Outage, match="NoSuchBucket"):
            store.get("k")
        store.ensure_bucket()
        store.ensure_bucket()
        assert list(store.keys("")) == []


def test_no_part_remains_of_an_upload_that_breaks(s3_server: Stack, object_store: S3ObjectStore) -> None:
    class Breaking(io.BytesIO):
        def seekable(self) -> bool:
            return False

        def read(self, size: int | None = -1) -> bytes:
            data = super().read(size)
            if not data:
                raise Permanent("media_too_large")
            return data

    with pytest.raises(Permanent):
        object_store.put_stream("k", Breaking(bytes(20_000_000)), content_type="audio/wav")
    with closing(s3_server.s3.client()) as client:
        assert client.list_multipart_uploads(Bucket=object_store.bucket).get("Uploads", []) == []


def test_a_presigned_address_is_read_by_anybody_and_written_by_nobody(object_store: S3ObjectStore) -> None:
    object_store.put("acme/ä b.wav", b"sound", content_type="audio/wav")
    address = object_store.presign_get("acme/ä b.wav", 60)
    assert httpx.get(address, timeout=60).content == b"sound"
    assert httpx.put(address, content=b"other", timeout=60).status_code == 403
    assert httpx.get(address.partition("?")[0], timeout=60).status_code == 403


def test_a_store_is_used_from_many_threads(object_store: S3ObjectStore) -> None:
    def work(number: int) -> bytes:
        key = f"acme/{number}"
        object_store.put(key, str(number).encode(), content_type="text/plain")
        return object_store.get(key)

    with ThreadPoolExecutor(16) as pool:
        assert list(pool.map(work, range(64))) == [str(number).encode() for number in range(64)]
    assert len(list(object_store.keys("acme/"))) == 64


def test_of_many_that_write_if_absent_one_wins(object_store: S3ObjectStore) -> None:
    def work(number: int) -> bool:
        return object_store.put("acme/one", str(number).encode(), content_type="text/plain", if_absent=True)

    with ThreadPoolExecutor(8) as pool:
        won = list(pool.map(work, range(8)))
    assert won.count(True) == 1
    assert object_store.get("acme/one") == str(won.index(True)).encode()


def test_secrets_are_not_in_messages() -> None:
    with (
        stranger(error_answer(403, "SignatureDoesNotMatch")) as server,
        closing(store_at(f"http://127.0.0.1:{server.port}", secret="kanari")) as store,
    ):
        with pytest.raises(Outage) as caught:
            store.get("k")
        assert "kanari" not in str(caught.value)
        assert b"kanari" not in server.visits[0].head


def test_every_version_and_every_deletion_mark_is_erased(object_store: S3ObjectStore) -> None:
    """By the words of the API: the local store keeps no versions."""
    bucket = {"Bucket": object_store.bucket}
    first = [{"Key": key, "VersionId": version} for key, version in (("a", "v1"), ("a", "v2"), ("audio/b", "v3"))]
    second = [{"Key": "c", "VersionId": "v4"}]
    more = {"KeyMarker": "audio/b", "VersionIdMarker": "v3"}
    cut = {"IsTruncated": True, "NextKeyMarker": "audio/b", "NextVersionIdMarker": "v3"}
    with Stubber(object_store._client) as stub:
        stub.add_response("get_bucket_versioning", {"Status": "Suspended"}, bucket)
        stub.add_response("list_object_versions", {**cut, "Versions": first}, {**bucket, "Prefix": ""})
        for each in first[:2]:
            stub.add_response("delete_object", {}, {**bucket, **each})
        page = {"IsTruncated": False, "DeleteMarkers": second}
        stub.add_response("list_object_versions", page, {**bucket, "Prefix": "", **more})
        stub.add_response("delete_object", {}, {**bucket, **second[0]})
        assert object_store.erase("", ("audio/",)) == 3
        stub.assert_no_pending_responses()


def test_versions_that_may_not_be_known_or_deleted_are_an_outage_and_no_erasure() -> None:
    """Else the evidence would tell of a deletion that left them."""
    with closing(store_at("http://127.0.0.1:1")) as store, Stubber(store._client) as stub:
        stub.add_client_error("get_bucket_versioning", "AccessDenied", http_status_code=403)
        with pytest.raises(Outage, match="AccessDenied"):
            store.erase("acme/1/")
        stub.add_response("get_bucket_versioning", {"Status": "Enabled"})
        stub.add_response("list_object_versions", {"Versions": [{"Key": "acme/1/a", "VersionId": "locked"}]})
        stub.add_client_error("delete_object", "AccessDenied", http_status_code=403)
        with pytest.raises(Outage, match="AccessDenied"):
            store.erase("acme/1/")
