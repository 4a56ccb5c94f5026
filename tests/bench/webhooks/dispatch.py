"""The dispatcher as it is, but that an endpoint which only fails stays enabled: days are seconds here, and machines stand still.

python -m tests.bench.webhooks.dispatch dispatch
"""

import streams.webhooks.record_attempt
from streams.command import main


def never(*_: object) -> bool:
    """In the place of the question whether an endpoint has only failed for too long."""
    return False


if __name__ == "__main__":
    setattr(streams.webhooks.record_attempt, "only_fails", never)  # noqa: B010 - mypy takes no assignment to a function's name
    main()
