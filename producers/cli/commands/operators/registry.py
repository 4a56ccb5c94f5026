"""Arguments and options of `scribe schemas`."""

from schemas.process.command_line import command_line, deferred_to

app = command_line("Register and check the schemas; needs SCRIBE_SCHEMA_REGISTRY_URL.")


@app.command()
@deferred_to("producers.cli.operators.registry")
def register() -> None:
    """Register every schema under each topic that carries it and demand compatibility; run it before an upgrade."""


@app.command()
@deferred_to("producers.cli.operators.registry")
def check() -> None:
    """Say what `register` would change; exit code 2 when it is anything."""
