"""What recordings are called: names of strangers that obey nobody, lead nowhere and fit everywhere."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.requests.recording_names import MAX_NAME_BYTES, recording_name, safe_name


@pytest.mark.parametrize(
    ("sent", "name"),
    [
        ("call.opus", "call.opus"),
        ("שיחה עם דנה.mp3", "שיחה עם דנה.mp3"),
        ("/home/anna/calls/17.wav", "17.wav"),
        ("C:\\Users\\anna\\17.wav", "17.wav"),
        ("../../etc/passwd", "passwd"),
        ("..\\..\\boot.ini", "boot.ini"),
        ("calls/", "calls"),
        (".hidden.wav", ".hidden.wav"),
        ("a\r\nSet-Cookie: x\x00.wav", "a Set-Cookie: x.wav"),
        ("\x1b[31mred\x1b[0m\x07.wav", "[31mred[0m.wav"),
        ("\u202egpj.exe", "gpj.exe"),
        ("a\u2066\u2067\u2069b\u200f\u200e\ufeff.wav", "ab.wav"),
        ("می\u200cخواهم.wav", "می\u200cخواهم.wav"),  # a mark that belongs to the word
        ("  many \t blanks\u2028 .wav ", "many blanks .wav"),
        ("cafe\u0301.wav", "caf\u00e9.wav"),
        ("\ud800a.wav", "a.wav"),
        ('quo"te.wav', 'quo"te.wav'),
        ("א" * 200, "א" * 127),
        ("a" * 254 + "א", "a" * 254),
        ("..", None),
        ("/../..", None),
        (".", None),
        ("", None),
        ("///", None),
        ("\x00\u202e", None),
    ],
)
def test_a_name_is_the_end_of_its_path_and_nothing_but_text(sent: str, name: str | None) -> None:
    assert safe_name(sent) == name


@given(st.text(st.characters() | st.sampled_from("/\\.\u202e\x00 \u0301\ud800"), max_size=400))
def test_no_name_is_dangerous(sent: str) -> None:
    name = safe_name(sent)
    assert recording_name("upload://x", sent) == name
    if name is not None:
        assert len(name.encode()) <= MAX_NAME_BYTES
        assert not {"/", "\\"} & set(name)
        assert name.strip(".")
        assert name == unicodedata.normalize("NFC", name) == safe_name(name)
        assert not any(unicodedata.category(c) in ("Cc", "Cs", "Zl", "Zp") for c in name)
        assert not any("\u202a" <= c <= "\u202e" or "\u2066" <= c <= "\u2069" for c in name)


@pytest.mark.parametrize(
    ("uri", "name", "shown"),
    [
        ("https://media.example/calls/17.opus?sig=s3cret#t", None, "17.opus"),
        ("https://media.example/calls/17.opus", "mine.opus", "mine.opus"),
        ("https://media.example/calls/17.opus", "..", "17.opus"),
        ("HTTPS://media.example/%D7%A9%D7%99%D7%97%D7%94%201.mp3", None, "שיחה 1.mp3"),
        ("https://media.example/a%2F..%2F..%2Fb.wav", None, "b.wav"),
        ("https://media.example/a%0Ab%E2%80%AE.wav", None, "a b.wav"),
        ("https://media.example/%FF.wav", None, "\ufffd.wav"),
        ("https://media.example/", None, None),
        ("https://media.example", None, None),
        ("https://user:password@media.example", None, None),
        ("s3://bucket/acme/17.wav", None, "17.wav"),
        ("upload://0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11", None, None),
        ("upload://0b7e1d0a-6b1f-4d0e-9a53-2f6f2c8f4a11", "call.wav", "call.wav"),
        ("nonsense", None, None),
        ("https://[", None, None),
    ],
)
def test_an_address_lends_its_last_part(uri: str, name: str | None, shown: str | None) -> None:
    assert recording_name(uri, name) == shown


@given(st.text())
def test_any_text_is_an_address(uri: str) -> None:
    recording_name(uri)
    recording_name(f"https://{uri}")
