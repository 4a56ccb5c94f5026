"""Forms cut into pieces anywhere, in any order of fields, and forms that are wrong."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.multipart import MAX_FIELD_BYTES, MultipartForm
from schemas.errors import Rejected

BOUNDARY = "b0undary"
NAMES = ("language", "model", "prompt", "metadata")
TYPE = f"multipart/form-data; boundary={BOUNDARY}"
Part = tuple[str, str | None, bytes]  # name, file name, content


def body_of(parts: list[Part], end: str = f"--{BOUNDARY}--\r\n") -> bytes:
    out = b""
    for name, filename, content in parts:
        disposition = f'form-data; name="{name}"' + (f'; filename="{filename}"' if filename is not None else "")
        out += f"--{BOUNDARY}\r\nContent-Disposition: {disposition}\r\n\r\n".encode() + content + b"\r\n"
    return out + end.encode()


def read(body: bytes, cuts: list[int] | None = None, limit: int = 1000) -> tuple[MultipartForm, bytes]:
    form, file = MultipartForm(TYPE, limit, NAMES), b""
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts or [])})
    for start, end in pairwise(edges):
        form.feed(body[start:end])
        file += form.take()
    return form, file


contents = st.binary(max_size=300) | st.sampled_from([b"\r\n--b0undar", b"--b0undary", b"\r\n\r\n"])


@given(
    st.dictionaries(st.sampled_from(["language", "model", "prompt", "metadata"]), st.text(max_size=50)),
    contents,
    st.integers(0, 4),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_any_form_in_any_pieces_with_the_file_anywhere(
    fields: dict[str, str], content: bytes, place: int, cuts: list[int]
) -> None:
    if b"\r\n--" + BOUNDARY.encode() in b"\r\n" + content:
        content = b"x"
    parts: list[Part] = [(name, None, value.encode()) for name, value in fields.items()]
    parts.insert(min(place, len(parts)), ("file", "call.opus", content))
    form, file = read(body_of(parts), cuts)
    form.finish()
    assert (form.fields, file, form.file_ended) == (fields, content, True)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_form_or_rejected(body: bytes) -> None:
    with pytest.raises(Rejected):
        read(body)[0].finish()


FILE: Part = ("file", "a.wav", b"RIFF")


@pytest.mark.parametrize(
    ("parts", "code", "field"),
    [
        ([("language", None, b"he")], "invalid_request", "file"),
        ([("file", None, b"RIFF")], "invalid_request", "file"),
        ([FILE, FILE], "invalid_request", "file"),
        ([("model", None, b"a"), ("model", None, b"b"), FILE], "invalid_request", "model"),
        ([("audio", "a.wav", b"RIFF")], "invalid_request", "audio"),
        ([("language", None, b"\xff"), FILE], "invalid_request", "language"),
        ([("langage", None, b"he"), FILE], "invalid_request", "langage"),
        ([("", None, b""), FILE], "invalid_request", "body"),
        ([("n" * 4000, None, b""), FILE], "invalid_request", "n" * 64),
        ([("file", "a.wav", b"x" * 1001)], "media_too_large", None),
        ([("prompt", None, b"x" * (MAX_FIELD_BYTES + 1)), FILE], "request_too_large", None),
    ],
)
def test_wrong_forms(parts: list[Part], code: str, field: str | None) -> None:
    """The field that is wrong is named."""
    with pytest.raises(Rejected) as caught:
        read(body_of(parts))[0].finish()
    assert caught.value.code == code
    assert [item["field"] for item in caught.value.errors] == ([field] if field else [])


def test_no_number_of_parts_is_held() -> None:
    """Each part has a name that is known and new, so the first other one ends the form."""
    form = MultipartForm(TYPE, 1000, NAMES)
    parts: list[Part] = [(f"a{number}", None, b"") for number in range(20_000)]
    with pytest.raises(Rejected):
        form.feed(body_of(parts))
    assert form.fields == {}


def test_a_form_that_ends_early() -> None:
    form, file = read(body_of([FILE], end=""))
    assert file == b"RIFF"
    with pytest.raises(Rejected) as caught:
        form.finish()
    assert caught.value.code == "media_truncated"


@pytest.mark.parametrize(
    "content_type", ["", "application/json", "multipart/form-data", "multipart/form-data; boundary="]
)
def test_no_form_at_all(content_type: str) -> None:
    with pytest.raises(Rejected, match="multipart/form-data with a boundary"):
        MultipartForm(content_type, 10, NAMES)
