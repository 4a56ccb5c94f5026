"""Score the stand-ins on conversations that none of them was trained on: the accuracy test, with its numbers shown.

python -m deploy.local.models.training.score
"""

import sys

import pytest

TEST = "tests/system/test_held_out.py"


def main() -> int:
    """Run the test; its exit status."""
    return int(pytest.main(["-q", "-s", "-p", "no:cacheprovider", TEST]))


if __name__ == "__main__":
    sys.exit(main())
