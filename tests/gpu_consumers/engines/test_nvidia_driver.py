"""A driver that is too old for a library is named, instead of the CPU being taken without a word."""

import pytest

from gpu_consumers.engines.libraries.nvidia_driver import driver_cuda, found_or_too_old
from schemas.errors import Fatal


@pytest.mark.parametrize(
    ("found", "driver"), [(True, 12000), (True, 11040), (False, None), (False, 12000), (False, 13010)]
)
def test_what_a_library_found_counts_unless_the_driver_is_why(found: bool, driver: int | None) -> None:
    assert found_or_too_old(found, "CTranslate2", 12000, driver) is found


def test_a_driver_that_is_too_old_is_named() -> None:
    words = r"runs CUDA 11\.4, and CTranslate2 needs 12\.0: install a newer driver, or set SCRIBE_DEVICE=cpu"
    with pytest.raises(Fatal, match=words):
        found_or_too_old(False, "CTranslate2", 12000, 11040)


def test_the_driver_of_this_machine_is_asked() -> None:
    version = driver_cuda()
    assert version is None or version >= 1000
