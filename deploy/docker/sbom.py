"""The software bill of materials of an image: CycloneDX, from its lock file; the same lock gives the same bytes.

python -m deploy.docker.sbom api > api.cdx.json
"""

import json
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated

import typer
from packaging.markers import Marker

from deploy.checks.tools import run, tools
from deploy.environment import REQUIREMENTS, ROOT
from deploy.locks import ROLES

# what every image is: Linux on x86-64, with the Python of its base
PLATFORM = {
    "sys_platform": "linux",
    "platform_system": "Linux",
    "platform_machine": "x86_64",
    "os_name": "posix",
    "platform_python_implementation": "CPython",
    "implementation_name": "cpython",
    "python_version": "3.11",
    "python_full_version": "3.11.16",
}


def locked_for_image(text: str) -> str:
    """The entries of a lock file that are installed in an image, with their hashes and without their conditions."""
    kept: list[str] = []
    take = False
    for line in text.splitlines():
        if line and not line[0].isspace() and not line.startswith("#"):
            entry, _, condition = line.removesuffix("\\").rstrip().partition(" ; ")
            take = not condition or Marker(condition).evaluate(PLATFORM)
            line = f"{entry} \\" if line.endswith("\\") else entry
        if take:
            kept.append(line)
    return "\n".join(kept) + "\n"


def described() -> str:
    """The project itself in the older form of pyproject.toml that the tool reads: its licence as a table."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [f"{name} = {json.dumps(project[name])}" for name in ("name", "version", "description")]
    return "\n".join(["[project]", *lines, f"license = {{text = {json.dumps(project['license'])}}}", ""])


def sbom(role: str) -> str:
    """The bill of an image as JSON; raises RuntimeError with what the tool said."""
    with tempfile.TemporaryDirectory() as folder:
        lock = Path(folder, f"{role}.txt")
        lock.write_text(locked_for_image((REQUIREMENTS / f"{role}.txt").read_text()))
        about = Path(folder, "pyproject.toml")
        about.write_text(described())
        options = ("--pyproject", str(about), "--output-reproducible", "--sv", "1.6")
        done = run([tools() / "cyclonedx-py", "requirements", str(lock), *options], folder=Path(folder))
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return done.stdout


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def main(role: Annotated[str, typer.Argument(help=f"One of {', '.join(ROLES)}.")]) -> None:
    """Print the bill of an image."""
    if role not in ROLES:
        raise typer.BadParameter(f"{role}; there are {', '.join(ROLES)}", param_hint="ROLE")
    sys.stdout.write(sbom(role))


if __name__ == "__main__":
    app(prog_name="python -m deploy.docker.sbom")
