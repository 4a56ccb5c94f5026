"""Which track is heard, and what is said of the others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.audio.tracks import Track, in_order, is_spoken, others_warning
from schemas.errors import Permanent


def test_default_tracks_come_first() -> None:
    tracks = (Track(1), Track(2, default=True), Track(3), Track(4, default=True))
    assert [track.number for track in in_order(tracks)] == [2, 4, 1, 3]
    assert [track.number for track in in_order(tracks, "3")] == [3]


@pytest.mark.parametrize(
    ("active", "seconds", "wanted"),
    [(0.9, 1.0, False), (1.0, 1.0, True), (1.0, 50.0, True), (1.0, 60.0, False), (71.0, 3600.0, False)],
)
def test_a_beep_makes_no_spoken_track(active: float, seconds: float, wanted: bool) -> None:
    assert is_spoken(active, seconds) is wanted


LANGUAGES = (
    Track(1, language="eng"),
    Track(2, language="heb", title="Commentary"),
    Track(3, language="heb", default=True),
    Track(4, language="pt-br"),
    Track(5, language="por"),
    Track(6),
)


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [("en", [1]), ("HE", [3, 2]), ("heb", [3, 2]), ("iw", [3, 2]), ("pt-BR", [4]), ("pt", [4, 5]), ("pt-PT", [4, 5])],
)
def test_a_language_chooses_its_tracks_however_it_is_written(wanted: str, numbers: list[int]) -> None:
    """Of several the default one is tried first."""
    assert [track.number for track in in_order(LANGUAGES, wanted)] == numbers


@pytest.mark.parametrize("wanted", ["7", "99", "fr", "e"])
def test_a_track_that_is_not_there_is_an_error_that_says_what_is(wanted: str) -> None:
    with pytest.raises(Permanent) as caught:
        in_order(LANGUAGES, wanted)
    assert caught.value.code == "media_no_track"
    assert caught.value.detail == (
        f"{wanted}; there are 6 that can be decoded: 1 (eng), 2 (heb, 'Commentary'), 3 (heb), 4 (pt-br), 5 (por) and 1 more"
    )
    with pytest.raises(Permanent, match="there is 1 that can be decoded: 1"):
        in_order((Track(1),), wanted)


def test_others_are_named_with_what_is_known_of_them() -> None:
    tracks = (
        Track(1),
        Track(2, language="heb"),
        Track(3, language="und", title="Director's"),
        Track(4, title="x" * 99),
    )
    assert others_warning(tracks[:1], tracks[0]) == ()
    assert others_warning(tracks[:2], tracks[0]) == ("audio track 1 was heard; not heard: track 2 (heb)",)
    assert others_warning(tracks, tracks[1]) == (
        f"audio track 2 (heb) was heard; not heard: tracks 1, 3 ('Director’s'), 4 ('{'x' * 39}…')",
    )
    many = tuple(Track(number) for number in range(1, 33))
    assert others_warning(many, many[0]) == ("audio track 1 was heard; not heard: tracks 2, 3, 4, 5, 6 and 26 more",)


@given(st.text(max_size=300), st.text(max_size=300))
def test_strangers_texts_are_one_harmless_line(language: str, title: str) -> None:
    """No control characters, none that turn a line around, and a length."""
    (warning,) = others_warning((Track(1), Track(2, language=language, title=title)), Track(1))
    assert warning.isprintable()
    assert len(warning) < 150
    assert not any("\u202a" <= letter <= "\u202e" or "\u2066" <= letter <= "\u2069" for letter in warning)
