"""Exit of commands: one clear message on stderr, code 2 for the caller's errors, 1 for failures of the service."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

from producers.messages.plain_text import printable
from schemas.errors import ErrorKind, Permanent, ScribeError, SettingsError

TROUBLE = 1
MISTAKE = 2


def exit_code(error: ScribeError) -> int:
    """The exit code: 2 when the caller can correct the error, else 1."""
    if isinstance(error, Permanent):
        return TROUBLE if error.kind is ErrorKind.INTERNAL else MISTAKE
    return MISTAKE if isinstance(error, SettingsError) else TROUBLE


@contextmanager
def reported() -> Iterator[None]:
    """Turn errors of the service within the block into a message and an exit code; bugs keep their traceback."""
    try:
        yield
    except ScribeError as error:
        # answers quote what strangers wrote
        sys.stderr.write("".join(f"{printable(line)}\n" for line in str(error).splitlines()))
        sys.exit(exit_code(error))
