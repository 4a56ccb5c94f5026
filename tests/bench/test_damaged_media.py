"""The short way of the bench: a few hundred damaged recordings, none of which is anybody's but its own."""

from pathlib import Path

from schemas.errors import ERRORS, ErrorKind
from schemas.events import Channels
from tests.bench.damaged_media import GOOD, Recipe, originals, outcome, recipe

FILES = 200


def test_originals_are_whole(tmp_path: Path) -> None:
    for name, body in originals().items():
        assert outcome(Recipe(0, name, (), Channels.AUTO, body), tmp_path) in GOOD, name


def test_damaged_recordings_end_with_a_code_or_decoded(tmp_path: Path) -> None:
    """Whatever is damaged, and as often as not something is heard of it."""
    ends = {number: outcome(recipe(7, number), tmp_path) for number in range(FILES)}
    typed = {*GOOD, *(code for code, spec in ERRORS.items() if spec.kind in (ErrorKind.MEDIA, ErrorKind.LIMIT))}
    assert {number: end for number, end in ends.items() if end not in typed} == {}
    assert sum(end in GOOD for end in ends.values()) > FILES / 4


def test_a_recipe_makes_the_same_file_again() -> None:
    assert recipe(7, 3) == recipe(7, 3)
    assert recipe(7, 3).body != recipe(7, 4).body
