"""Every error code has a status, a title and an advice, and messages say both."""

import pytest

from schemas.errors import ERRORS, ErrorKind, Permanent


@pytest.mark.parametrize("code", ERRORS)
def test_messages_say_what_was_wrong_and_what_to_do(code: str) -> None:
    """Two sentences, the seen detail in the first."""
    error = Permanent(code, "seen 17")
    assert error.message.startswith(f"{ERRORS[code].title}: seen 17. ")
    assert error.message.endswith(ERRORS[code].advice)
    assert 400 <= error.spec.status < 600
    assert error.kind in ErrorKind


def test_what_was_seen_is_quoted_in_part_and_always_storable() -> None:
    """A client may choose the text."""
    error = Permanent("unknown_model", "\ud800" + "x" * 400_000)
    assert len(error.detail) == 500
    assert error.detail.endswith("x…")
    assert error.message.encode()
    assert Permanent("unknown_model", "x" * 500).detail == "x" * 500


def test_an_unknown_code_is_a_mistake_of_ours() -> None:
    """Codes cannot be invented at the place where an error is raised."""
    with pytest.raises(KeyError):
        Permanent("no_such_code")
