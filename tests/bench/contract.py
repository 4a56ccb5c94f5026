"""Ten thousand requests that schemathesis draws from the OpenAPI document: `python -m tests.bench.contract`.

Keys of every scope and of two tenants, examples, edge cases, drawn ones valid and not, and sequences along the links.
Exit code 1 when an answer was a server error, or none that the document describes.
"""

import tempfile
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deploy.local import ports
from deploy.local.postgres import Postgres
from sink.memory import MemoryObjectStore
from sink.postgres.migrate import migrate
from tests.integration.contract.exploring import explore_all, explored_shim

CASES = 10_000
EXAMPLES = 5  # drawn for each operation in each phase of a round


def main(
    cases: Annotated[int, typer.Option(min=1, help="The least number of requests.")] = CASES,
    examples: Annotated[int, typer.Option(min=1, help="Drawn for each operation in each phase.")] = EXAMPLES,
    seed: Annotated[int, typer.Option(help="Other numbers draw other requests.")] = 1,
) -> None:
    """Print how many requests there were, by status, and all that was not as documented."""
    began = time.monotonic()
    with ExitStack() as parts:
        folder = Path(parts.enter_context(tempfile.TemporaryDirectory(prefix="contract-")))
        folder.chmod(0o755)
        postgres = Postgres(folder, ports.choose(Postgres.port_names, {}, {}), "bench", owned=True, durable=False)
        postgres.start()
        parts.callback(postgres.stop)
        migrate(postgres.dsn())
        shim = parts.enter_context(explored_shim(postgres.dsn(), MemoryObjectStore()))
        found = explore_all(shim, cases=cases, examples=examples, seed=seed)
    Console().print(f"{found}\n{round(time.monotonic() - began)} s", markup=False)
    raise typer.Exit(1 if found.findings else 0)


if __name__ == "__main__":
    typer.run(main)
