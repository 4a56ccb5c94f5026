"""Conditional writes on Cloud Storage, which knows S3's requests but ignores their condition.

Its own condition, x-goog-if-generation-match, is refused beside headers of S3, so such a request is signed with the
headers of one kind alone: what S3 calls x-amz-date is x-goog-date there.
"""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from botocore.auth import AUTH_TYPE_MAPS, S3SigV4Auth

if TYPE_CHECKING:
    from botocore.awsrequest import AWSRequest
    from mypy_boto3_s3 import S3Client

SIGNATURE = "scribe-google-v4"
_HOST = "storage.googleapis.com"
_AMAZON, _GOOGLE = "x-amz-", "x-goog-"


def is_google(endpoint: str | None) -> bool:
    """Whether an address is that of Cloud Storage, by its own host or by one of a bucket or region."""
    host = (urlsplit(endpoint).hostname or "") if endpoint else ""
    return host == _HOST or host.endswith((f".{_HOST}", ".rep.googleapis.com"))


class GoogleSignature(S3SigV4Auth):
    """Signature version 4 over headers of Google's names."""

    def canonical_request(self, request: "AWSRequest") -> str:
        """The text that is signed, when all headers have Google's names."""
        for name in [name for name in request.headers if name.lower().startswith(_AMAZON)]:
            value = request.headers[name]
            del request.headers[name]
            replace_header(request, _GOOGLE + name.lower().removeprefix(_AMAZON), value)
        return super().canonical_request(request)


def replace_header(request: "AWSRequest", name: str, value: str) -> None:
    """Set a header that may be there already, as at a second try: plain assignment would add another one."""
    del request.headers[name]
    request.headers[name] = value


def _own_condition(request: "AWSRequest", **_: Any) -> None:
    if request.headers.get("If-None-Match") == "*":
        del request.headers["If-None-Match"]
        # generation 0 is that of an object that is not there
        replace_header(request, "x-goog-if-generation-match", "0")


def use_own_condition(client: "S3Client") -> "S3Client":
    """Let a client, made with SIGNATURE, write only what is not there, by Google's own condition."""
    client.meta.events.register("before-sign.s3.PutObject", _own_condition)
    return client


AUTH_TYPE_MAPS[SIGNATURE] = GoogleSignature
