"""Which code was probably meant."""

import pytest

from schemas.languages import CODES, likely_code
from schemas.models import WHISPER_LANGUAGES


@pytest.mark.parametrize(
    ("written", "code"),
    [
        ("English", "en"),
        (" HEBREW ", "he"),
        ("en-US", "en"),
        ("pt_BR", "pt"),
        ("zh-Hans-CN", "zh"),
        ("EN", "en"),
        ("iw", "he"),
        ("Spanish", "es"),
        ("Estonian", "et"),
        ("klingon", None),
        ("", None),
        ("english please", None),
    ],
)
def test_what_was_meant(written: str, code: str | None) -> None:
    assert likely_code(written) == code


def test_every_language_of_whisper_has_a_name() -> None:
    assert set(CODES.values()) == WHISPER_LANGUAGES
