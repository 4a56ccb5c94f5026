"""Forms cut into pieces anywhere, in any order of fields, and forms that are wrong."""

from collections import deque
from contextlib import suppress
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producers.api.requests.form_parts import read_part
from producers.api.requests.multipart import MAX_FIELD_BYTES, MAX_VALUES, MultipartForm
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


def tolerant(parts: list[Part]) -> tuple[MultipartForm, bytes]:
    """A form with a list, and fields and files that nobody knows."""
    form = MultipartForm(TYPE, 1_000_000, NAMES, lists=("granularities[]",), ignores_others=True)
    form.feed(body_of(parts))
    return form, form.take()


def test_lists_are_kept_in_order_and_others_are_ignored_where_that_is_wanted() -> None:
    """However large an ignored one is, and a file among them is not taken for the recording."""
    unknown: list[Part] = [("voice", "voice.wav", b"y" * 2 * MAX_FIELD_BYTES), ("x", None, b"\xff")]
    values: list[Part] = [("granularities[]", None, value) for value in (b"word", b"segment")]
    form, file = tolerant([*unknown, values[0], *unknown, ("file", "a.wav", b"RIFF"), values[1], ("model", None, b"m")])
    form.finish()
    assert (form.fields, form.lists, file) == ({"model": "m"}, {"granularities[]": ["word", "segment"]}, b"RIFF")
    with pytest.raises(Rejected, match="more than 64 times"):
        tolerant(values[:1] * (MAX_VALUES + 1))
    with pytest.raises(Rejected, match="more than once"):
        tolerant([("model", None, b"m")] * 2)


def test_a_form_that_ends_early() -> None:
    form, file = read(body_of([FILE], end=""))
    assert file == b"RIFF"
    with pytest.raises(Rejected) as caught:
        form.finish()
    assert caught.value.code == "media_truncated"


BOUNDARIES = [
    "multipart/form-data",
    "multipart/form-data; boundary",
    "multipart/form-data; boundary=",
    'multipart/form-data; boundary=""',
    "multipart/form-data; boundary=" + "b" * 257,
    'multipart/form-data; boundary="' + "b" * 100_000 + '"',
    "multipart/form-data; boundary=\xe9",
    'multipart/form-data; boundary="a\tb"',
    "multipart/form-data; boundary*=utf-8''b",
    "multipart/form-data; Boundary =",
]


@pytest.mark.parametrize("content_type", BOUNDARIES, ids=range(len(BOUNDARIES)))
def test_a_boundary_that_is_none(content_type: str) -> None:
    with pytest.raises(Rejected) as caught:
        MultipartForm(content_type, 10, NAMES)
    assert [item["field"] for item in caught.value.errors] == ["Content-Type"]


@given(st.text(st.characters(max_codepoint=255), max_size=300) | st.text(' ;="\\*b', max_size=40))
def test_any_content_type_is_one_of_a_form_or_rejected(parameters: str) -> None:
    with suppress(Rejected):
        MultipartForm(f"multipart/form-data;{parameters}", 10, NAMES).feed(b"--b\r\n\r\n")


@given(st.binary(max_size=200) | st.text(' ;="\\*name', max_size=40).map(str.encode))
def test_any_header_of_a_part_is_read_or_rejected(disposition: bytes) -> None:
    with suppress(Rejected):
        read_part({b"content-disposition": b"form-data; name=file;" + disposition, b"content-type": disposition})


def part(*headers: str, content: str = "x") -> bytes:
    return "\r\n".join([f"--{BOUNDARY}", *headers, "", content, f"--{BOUNDARY}--", ""]).encode()


FIELD = 'Content-Disposition: form-data; name="language"'
A_FILE = 'Content-Disposition: form-data; name="file"; filename="a.wav"'
HEADS: list[tuple[list[str], str, str]] = [
    ([], "body", "no header such as"),
    (["Content-Type: audio/wav"], "body", "no header such as"),
    (["Content-Disposition: form-data"], "body", "no header such as"),
    (["Content-Disposition: form-data; filename=a.wav"], "body", "no header such as"),
    (['Content-Disposition: attachment; name="file"; filename="a.wav"'], "body", "no header such as"),
    (["Content-Disposition: form-data; name*=utf-8''file"], "body", "no header such as"),
    (['Content-Disposition: form-data; name="file"'], "file", 'filename="..." is missing'),
    ([FIELD, FIELD], "body", "Content-Disposition more than once"),
    ([A_FILE, "Content-Transfer-Encoding: base64"], "file", "Content-Transfer-Encoding is not known"),
    ([A_FILE, "content-transfer-encoding: Quoted-Printable"], "file", "Content-Transfer-Encoding is not known"),
    ([A_FILE, "Content-Encoding: gzip"], "file", "Content-Encoding is not known"),
    ([A_FILE, "Content-Type: multipart/mixed; boundary=c"], "file", "a form within a form"),
    ([FIELD, "Content-Type: text/plain; charset=utf-16"], "language", "names another charset"),
    ([FIELD, "Content-Type: text/plain; charset=iso-8859-1"], "language", "names another charset"),
    ([FIELD, "X: " + "x" * 17_000], "body", "more than 16384 bytes"),
    ([FIELD, "X" * 17_000 + ": x"], "body", "more than 16384 bytes"),
    ([FIELD, *(f"X-{number}: x" for number in range(10_000))], "body", "Maximum header count"),
    ([FIELD, "no colon"], "body", "cannot be read"),
    ([FIELD, "b\xe9d: x"], "body", "cannot be read"),
]


@pytest.mark.parametrize(("headers", "field", "message"), HEADS, ids=range(len(HEADS)))
def test_wrong_heads_of_parts(headers: list[str], field: str, message: str) -> None:
    """Whether the headers come in one piece or byte by byte."""
    body = part(*headers)
    for cuts in ([], list(range(min(len(body), 6000)))):
        with pytest.raises(Rejected) as caught:
            read(body, cuts)[0].finish()
        (error,) = caught.value.errors
        assert (error["field"], message in error["message"]) == (field, True), error


@pytest.mark.parametrize(
    "headers",
    [
        [A_FILE, "Content-Type: audio/wav", "Content-Transfer-Encoding: Binary"],
        [A_FILE, "Content-Type: text/plain; charset=utf-16"],
        ["CONTENT-DISPOSITION: Form-Data; Name=file; FileName=a.wav"],
        ["Content-Disposition: form-data; name=file; filename*=UTF-8''a.wav"],
        ['Content-Disposition: form-data; name="file"; filename="b.wav"; filename*=UTF-8\'\'a.wav'],
        [A_FILE, "X-Of-My-Own: anything"],
    ],
)
def test_heads_of_files_that_are_as_good(headers: list[str]) -> None:
    form, file = read(part(*headers))
    form.finish()
    assert (file, form.file_name) == (b"x", "a.wav")


def test_the_name_of_a_file_is_kept_in_any_script() -> None:
    form, _ = read(part('Content-Disposition: form-data; name="file"; filename="שיחה; 5.opus"'))
    assert form.file_name == "שיחה; 5.opus"


def test_what_stands_around_the_parts_has_a_limit() -> None:
    """Before the first boundary, behind one, and behind the last."""
    behind_one = body_of([("language", None, b"he")], end=f"--{BOUNDARY} ")
    for begin, filling in ((b"\r\n", b"\n"), (behind_one, b" "), (body_of([FILE]), b" ")):
        form = MultipartForm(TYPE, 1000, NAMES)
        form.feed(begin)
        with pytest.raises(Rejected) as caught:
            deque(map(form.feed, [filling * 10_000] * 100))
        assert caught.value.code == "media_too_large"


LONG = "א" * 2_495 + " סוף.wav"


@pytest.mark.parametrize(
    "parameter", [f'filename="{LONG}"', f"filename*=UTF-8''{quote(LONG)}"], ids=["plain", "extended"]
)
@pytest.mark.parametrize("cuts", [[], [70, 800, 2_001, 4_999]])
def test_a_name_of_5000_bytes_is_cut_and_the_file_is_whole(parameter: str, cuts: list[int]) -> None:
    """No letter of it in the middle; three times as long in percent signs it is within the limit of a header."""
    form, file = read(part(f'Content-Disposition: form-data; name="file"; {parameter}', content="RIFF"), cuts)
    assert len(LONG.encode()) >= 5_000
    assert (file, form.file_name) == (b"RIFF", "א" * 127)
