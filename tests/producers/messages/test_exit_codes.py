"""How commands end."""

import pytest

from producers.messages.exit_codes import exit_code, reported
from schemas.errors import Fatal, Outage, Permanent, ScribeError, SettingsError


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Permanent("unknown_model"), 2),
        (Permanent("media_empty"), 2),
        (Permanent("internal"), 1),
        (SettingsError("SCRIBE_API_KEY: is not set"), 2),
        (Outage("Kafka is away"), 1),
        (Fatal("refused"), 1),
    ],
)
def test_two_for_the_callers_mistakes_and_one_for_ours(error: ScribeError, code: int) -> None:
    assert exit_code(error) == code


def test_an_error_becomes_its_message(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught, reported():
        raise SettingsError("SCRIBE_A: wrong\nSCRIBE_B: wrong too")
    assert caught.value.code == 2
    assert capsys.readouterr().err == "SCRIBE_A: wrong\nSCRIBE_B: wrong too\n"


def test_a_bug_keeps_its_traceback() -> None:
    with pytest.raises(ZeroDivisionError), reported():
        raise ZeroDivisionError
