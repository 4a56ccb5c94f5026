"""The command `scribe`."""

import gc
import logging
import sys

from producers.cli.app import create_cli
from producers.messages.exit_codes import reported
from schemas.process.printing import printing


def main() -> None:
    """Run the `scribe` command."""
    # errors reach the caller as messages; without a handler the libraries' warnings would stand between them
    logging.getLogger().addHandler(logging.NullHandler())
    # but what is said of the environment, and of what does not answer, is for the caller
    for name in ("schemas.settings", "producers.messages.patience"):
        if logging.lastResort:  # writes to the stderr of the moment, which a progress bar may have taken
            logging.getLogger(name).addHandler(logging.lastResort)
    _start_lightly()
    with printing(), reported():
        create_cli()(prog_name="scribe")


def _start_lightly() -> None:
    """Reduce start-up CPU time, which is most of the time of a command, before the first byte is sent."""
    # what imports make is kept, and needs no look every 700 objects
    gc.set_threshold(50_000, 20, 20)
    # httpx's own command line, which needs click, rich and pygments; it does without where they are not installed
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
