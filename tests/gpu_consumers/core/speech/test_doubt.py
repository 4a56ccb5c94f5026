"""When the text of a window is believed, and what is done when it is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.doubt import DOUBTFUL, REPEATING, SURE, UNLIKELY, WindowSigns, WindowVerdict, verdict

KEEP, OTHER, PARTS = WindowVerdict.KEEP, WindowVerdict.OTHER_LANGUAGE, WindowVerdict.PARTS


@pytest.mark.parametrize(
    ("language", "probability", "logprob", "compression", "whole", "brief"),
    [
        ("en", 0.99, -0.1, 1.5, KEEP, KEEP),
        (None, 0.0, -0.1, 1.5, KEEP, KEEP),  # nobody asked
        ("ru", 0.91, -1.2, 0.8, OTHER, OTHER),
        ("ru", 0.91, -0.2, 1.4, OTHER, KEEP),  # a translation that sounds certain; in a word or two languages err
        ("it", 0.63, -0.15, 1.4, PARTS, KEEP),  # two languages, each of them a part
        ("en", 0.63, -0.15, 1.4, PARTS, KEEP),
        ("en", 0.99, -0.2, 5.9, PARTS, KEEP),  # the same words again and again
        ("en", 0.99, -1.2, 1.4, PARTS, KEEP),
        (None, 0.0, -0.2, 5.9, PARTS, KEEP),
    ],
)
def test_a_text_is_believed_or_heard_otherwise(
    language: str | None,
    probability: float,
    logprob: float,
    compression: float,
    whole: WindowVerdict,
    brief: WindowVerdict,
) -> None:
    impression = WindowSigns(language, probability, logprob, compression)
    assert verdict(impression, "en", brief=False) is whole
    assert verdict(impression, "en", brief=True) is brief


@given(
    st.sampled_from([None, "en", "he"]),
    st.floats(0, 1),
    st.floats(-3, 0),
    st.floats(0, 20),
    st.sampled_from(["en", "he"]),
    st.booleans(),
)
def test_only_what_is_in_doubt_is_heard_again(
    heard: str | None, probability: float, logprob: float, compression: float, named: str, brief: bool
) -> None:
    """A sure language that was told, and a text without signs of failure: never twice, which is what most recordings are."""
    impression = WindowSigns(heard, probability, logprob, compression)
    found = verdict(impression, named, brief=brief)
    if (heard is None or (heard == named and probability >= SURE)) and logprob >= UNLIKELY and compression <= REPEATING:
        assert found is WindowVerdict.KEEP
    if found is WindowVerdict.OTHER_LANGUAGE:
        assert heard not in (None, named)
        assert probability >= SURE
        assert not brief or logprob <= DOUBTFUL
