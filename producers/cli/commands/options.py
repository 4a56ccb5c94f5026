"""Options that several commands have."""

from typing import Annotated

import typer

TIMES = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%S%z"]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
