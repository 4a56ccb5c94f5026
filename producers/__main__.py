"""The command `scribe`."""

import logging

from producers.cli.app import create_cli
from producers.exit_codes import reported
from schemas.printing import printing


def main() -> None:
    """Run the command that was asked for."""
    # errors reach the caller as messages; without a handler the libraries' warnings would stand between them
    logging.getLogger().addHandler(logging.NullHandler())
    # but what is said of the environment, and of what does not answer, is for the caller
    for name in ("schemas.settings", "producers.patience"):
        if logging.lastResort:  # writes to the stderr of the moment, which a progress bar may have taken
            logging.getLogger(name).addHandler(logging.lastResort)
    with printing(), reported():
        create_cli()(prog_name="scribe")


if __name__ == "__main__":
    main()
