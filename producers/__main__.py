"""The command `scribe`."""

import logging

from producers.cli.app import create_cli
from producers.exit_codes import reported


def main() -> None:
    """Run the command that was asked for."""
    # errors reach the caller as messages; without a handler the libraries' warnings would stand between them
    logging.getLogger().addHandler(logging.NullHandler())
    # but what is said of the environment is for the caller
    logging.getLogger("schemas.settings").addHandler(logging.StreamHandler())
    with reported():
        create_cli()(prog_name="scribe")


if __name__ == "__main__":
    main()
