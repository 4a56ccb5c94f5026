"""Which code was probably meant."""

import pytest

from schemas.models.registry import WHISPER_LANGUAGES
from schemas.vocabulary.languages import _SHORT, CODES, likely_code, same_code


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


@pytest.mark.parametrize(
    "ways", [("he", "heb", "iw", "he-IL", "Hebrew"), ("de", "ger", "deu", "de_AT"), ("grc", "GRC-x")]
)
def test_one_language_has_one_code_however_a_container_writes_it(ways: tuple[str, ...]) -> None:
    assert len({same_code(way) for way in ways}) == 1


def test_every_language_of_whisper_is_known_by_three_letters() -> None:
    assert {same_code(three) for three in _SHORT} | {"haw", "yue"} == WHISPER_LANGUAGES
    assert all(len(three) == 3 for three in _SHORT)
