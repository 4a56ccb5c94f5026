"""The command `scribe`."""

from producers.cli.app import create_cli
from producers.exit_codes import reported


def main() -> None:
    """Run the command that was asked for."""
    with reported():
        create_cli()(prog_name="scribe")


if __name__ == "__main__":
    main()
