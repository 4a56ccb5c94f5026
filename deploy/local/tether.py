"""Runs a command that ends when its parent process does: tether.py PARENT_PID SIGNAL COMMAND..."""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main(arguments: list[str]) -> None:
    """Ask Linux to send `SIGNAL` when the parent ends, then replace this process by the command."""
    parent, signal_number, *command = arguments
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal_number), 0, 0, 0)
    if os.getppid() == int(parent):  # else it ended before the request was in place
        os.execvp(command[0], command)  # noqa: S606 - that is the purpose


if __name__ == "__main__":
    main(sys.argv[1:])
