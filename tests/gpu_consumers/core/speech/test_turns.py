"""How far a voice is heard beside others: only the outermost turns of a stretch of speech reach further."""

from hypothesis import given
from hypothesis import strategies as st

from gpu_consumers.core.speech.merge import Turn
from gpu_consumers.core.speech.turns import heard_turns

moments = st.integers(0, 40).map(float)


def test_turns_reach_to_the_ends_of_the_speech_they_are_part_of() -> None:
    """Also where somebody speaks into it; one who is only heard beside another has no turn."""
    exclusive = [Turn(0, 2, "a"), Turn(2, 3, "b"), Turn(3, 5, "a"), Turn(5, 7, "b")]
    overlapping = [Turn(0, 5.5, "a"), Turn(1.5, 3, "b"), Turn(4.8, 7, "b"), Turn(6, 6.5, "c")]
    assert heard_turns(exclusive, overlapping) == (
        Turn(0, 2, "a", since=0),
        Turn(2, 3, "b", since=1.5, until=3),
        Turn(3, 5, "a", until=5.5),
        Turn(5, 7, "b", since=4.8, until=7),
    )


turns = st.lists(
    st.builds(lambda s, d, who: Turn(s, s + d + 1, who), moments, moments, st.sampled_from("ab")), max_size=6
)


@given(turns, turns)
def test_no_turn_is_lost_moved_or_shortened(exclusive: list[Turn], overlapping: list[Turn]) -> None:
    found = heard_turns(exclusive, overlapping)
    assert {(turn.start, turn.end, turn.speaker) for turn in found} == {
        (turn.start, turn.end, turn.speaker) for turn in exclusive
    }
    assert all(turn.since is None or turn.since <= turn.start for turn in found)
    assert all(turn.until is None or turn.until >= turn.end for turn in found)
