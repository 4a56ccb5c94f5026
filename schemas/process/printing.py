"""Standard output and standard error of commands, safe for any terminal, pipe or file."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import NoReturn

_TROUBLE = 1
_UNWRITABLE = {errno.EBADF, errno.EPIPE, errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}


@contextmanager
def printing() -> Iterator[None]:
    """Context in which unencodable characters become `?`, and a failed write ends the process with exit code 1.

    A full disk is reported on stderr. A reader that has closed the pipe, as `head` does, is not.
    """
    _prepare()
    try:
        try:
            yield
        finally:
            # not at the end of the process, where a failure is a traceback and exit code 120
            sys.stdout.flush()
    except OSError as error:
        if error.filename is not None or error.errno not in _UNWRITABLE:
            raise
        _give_up(error)


def _prepare() -> None:
    """Replace missing standard streams by stand-ins, since libraries expect them to exist."""
    if sys.stdin is None:
        sys.stdin = open(os.devnull)  # noqa: PTH123, SIM115 - for as long as the process lives
    if sys.stdout is None:
        # one that cannot be written to, which matters only where something is printed
        sys.stdout = os.fdopen(os.open(os.devnull, os.O_RDONLY), "w")
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115
    with suppress(AttributeError):  # a stand-in of tests has no encoding
        sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]


def _give_up(error: OSError) -> NoReturn:
    with suppress(OSError):
        if error.errno != errno.EPIPE:
            sys.stderr.write(f"standard output cannot be written: {error.strerror}\n")
            sys.stderr.flush()
    # what is still in the buffer must not be tried again when the process ends
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(_TROUBLE)
