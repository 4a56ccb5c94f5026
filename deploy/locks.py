"""Lock files: every version and hash of each image, all taken from one resolution so that they agree."""

import subprocess
from pathlib import Path
from typing import Annotated

import typer

from deploy.environment import REQUIREMENTS, ROOT, VENV, ensure_uv, uv_environment

ROLES = ("api", "gpu", "streams")
EXTRAS = ("train", "celery")  # never part of the ordinary environment
TOOLS = ("check",)  # programs in an environment of their own: checkov wants other versions than the service
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
OLDEST_PYTHON = "3.11"
BOOTSTRAP = "uv"


def compile_command(uv: str, *arguments: str) -> list[str]:
    """The uv command that resolves for every platform, with hashes and no comments; locked versions stay by default."""
    common = ("--universal", "--python-version", OLDEST_PYTHON, "--generate-hashes", "--no-annotate", "--no-header")
    return [uv, "pip", "compile", "--quiet", *common, *arguments]


@app.command()
def lock(
    upgrade: Annotated[
        list[str] | None, typer.Option("--upgrade", help="A package to bring to its newest version; `all` for all.")
    ] = None,
) -> None:
    """Write deploy/requirements/*.txt anew from pyproject.toml; run it after every change of a dependency.

    `dev.txt` is resolved first and holds everything; `api.txt`, `gpu.txt` and `streams.txt` are what one image each
    needs, `train.txt` what the scripts that train the stand-in models need on top, `celery.txt` what the comparison with
    Celery does; all with the versions of `dev.txt`. `check.txt` is what deploy/check runs, with versions of its own.
    `bootstrap.txt` pins uv, the only thing that pip itself installs. Locked versions stay unless --upgrade names them.
    """
    uv = ensure_uv()
    options = [option for name in upgrade or [] for option in upgrade_options(name)]
    _write(uv, "dev.txt", "--extra", "dev", "pyproject.toml", *options)
    for role in (*ROLES, *EXTRAS):
        _write(uv, f"{role}.txt", "--extra", role, "--constraint", str(REQUIREMENTS / "dev.txt"), "pyproject.toml")
    for role in TOOLS:
        _write(uv, f"{role}.txt", "--extra", role, "pyproject.toml", *options)
    _write(uv, "bootstrap.txt", "-", *options, given=BOOTSTRAP)
    (REQUIREMENTS / "dev.bytes").write_text(f"{size_on_disk(VENV)}\n")


def upgrade_options(name: str) -> list[str]:
    """The options that let uv take newer versions."""
    return ["--upgrade"] if name == "all" else ["--upgrade-package", name]


def size_on_disk(folder: Path) -> int:
    """The total size in bytes of all files below a folder."""
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_symlink() and path.is_file())


def _write(uv: str, name: str, *arguments: str, given: str | None = None) -> None:
    print(f"deploy/requirements/{name}", flush=True)
    command = compile_command(uv, *arguments, "--output-file", str(REQUIREMENTS / name))
    subprocess.run(command, cwd=ROOT, input=given, text=True, env=uv_environment(), check=True)


if __name__ == "__main__":
    app()
