"""Errors in OpenAI's shape: whatever a client is to correct is no error that it sends again by itself."""

import pytest

from producers.api.openai.ends import LEAST_PAUSE, MOST_PAUSE, poll_pause
from producers.api.openai.errors import error_of, is_openai, status_of
from schemas.errors import ERRORS, ErrorKind, Permanent, Rejected

SENT_AGAIN = {408, 409, 429, *range(500, 600)}


@pytest.mark.parametrize("code", ERRORS)
def test_every_code_has_a_status_that_its_client_understands(code: str) -> None:
    status = status_of(code, ERRORS[code].status)
    error = error_of(Permanent(code, "x"), "words", status).error
    assert (error.code, error.message) == (code, "words")
    assert (error.type == "server_error") == (status >= 500)
    assert status not in {415, 422}
    if ERRORS[code].kind in {ErrorKind.MEDIA, ErrorKind.SOURCE}:
        assert status not in SENT_AGAIN


def test_the_field_is_named_where_it_is_known() -> None:
    found = Rejected("invalid_request", "x", ({"field": "prompt", "message": "x"}, {"field": "model", "message": "x"}))
    errors = [found, Permanent("unknown_model"), Permanent("media_empty"), Permanent("unauthorized")]
    assert [error_of(error, "x", 400).error.param for error in errors] == ["prompt", "model", "file", None]


@pytest.mark.parametrize(
    ("path", "ours"),
    [("/v1", True), ("/v1/models", True), ("/v1x", False), ("/api/v1/models", False), ("/", False), ("", False)],
)
def test_addresses_of_openai(path: str, ours: bool) -> None:
    assert is_openai(path) is ours


def test_looks_for_ends_keep_pace_with_the_youngest_that_waits() -> None:
    assert [poll_pause(seconds) for seconds in (0, 0.1, 2, 5, 10, 500)] == [
        LEAST_PAUSE,
        LEAST_PAUSE,
        pytest.approx(0.2),
        pytest.approx(0.5),
        MOST_PAUSE,
        MOST_PAUSE,
    ]
