"""Podman as a program: why it cannot run here, images, and containers that are removed at the end."""

import os
import platform
import resource
import shutil
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from deploy.environment import ROOT

BASE = "localhost/scribe-base:bookworm"
FREE_BYTES = 30_000_000_000
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
LIMITS = {"nofile": (resource.RLIMIT_NOFILE, 20_000), "nproc": (resource.RLIMIT_NPROC, 16_384)}
# crun refuses hybrid control groups; runc takes all
PODMAN = ("podman", "--runtime", "runc")


class EngineFailed(Exception):
    """Error: a command of the engine failed; the message is the end of its output."""


def lacking() -> str | None:
    """The reason why containers cannot be built and run here, None when they can."""
    for program in ("podman", "runc"):
        if shutil.which(program) is None:
            return f"no {program}, which builds and runs the images"
    if os.geteuid() != 0:
        return "not root, as whom podman runs here"
    if platform.machine() != "x86_64":
        return "not x86-64, for which the stand-ins of other images are"
    if not exists(BASE) and shutil.which("debootstrap") is None:
        return "no debootstrap, which makes the base image where no registry is"
    free = shutil.disk_usage("/var/lib").free
    if free < FREE_BYTES and not all(exists(image_of(role)) for role in ("api", "streams", "gpu")):
        return f"{free / 1e9:.0f} GB free below /var/lib, and building needs {FREE_BYTES / 1e9:.0f}"
    return None


def image_of(role: str) -> str:
    """The name of an image that a check has built."""
    return f"localhost/scribe-{role}:check"


def podman(*arguments: str, check: bool = True, seconds: float = 3600) -> str:
    """The output of a command; raises EngineFailed when it fails and `check` is set."""
    done = subprocess.run([*PODMAN, *arguments], capture_output=True, text=True, check=False, timeout=seconds)
    if check and done.returncode:
        raise EngineFailed(f"podman {' '.join(arguments[:6])} …: {(done.stderr or done.stdout)[-2000:].strip()}")
    return done.stdout.strip()


def exists(image: str) -> bool:
    """Whether an image is here."""
    return subprocess.run(["podman", "image", "exists", image], capture_output=True, check=False).returncode == 0


def most() -> dict[str, int]:
    """The limits of open files and processes that containers get: no more than this process has, and podman takes."""
    return {name: min(resource.getrlimit(number)[1], highest) for name, (number, highest) in LIMITS.items()}


def limits() -> list[str]:
    """The same as options: podman's defaults are higher, and refused without CAP_SYS_RESOURCE."""
    return [word for name, number in most().items() for word in ("--ulimit", f"{name}={number}:{number}")]


def make_base() -> None:
    """Make the base image from Debian's packages, unless it is here."""
    if exists(BASE):
        return
    packages = "python3,python3-venv,ca-certificates"
    with tempfile.TemporaryDirectory(prefix="scribe-base-") as folder:
        root, archive = Path(folder, "root"), Path(folder, "root.tar")
        # from the mirror that debootstrap knows
        _run(["debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", str(root)])
        _run(["tar", "-C", str(root), "-cf", str(archive), "."])
        podman("import", str(archive), BASE)


def build(
    dockerfile: Path, target: str, name: str, *, context: Path = ROOT, arguments: Mapping[str, str] | None = None
) -> None:
    """Build a target of a Dockerfile on the base image; raises EngineFailed."""
    given = {"BASE": BASE, **_index(), **(arguments or {})}
    options = [word for key, value in given.items() for word in ("--build-arg", f"{key}={value}")]
    certificates = ("--volume", f"{CERTIFICATES.parent}:{CERTIFICATES.parent}:ro") if CERTIFICATES.exists() else ()
    podman(
        *("build", "--quiet", "--format", "docker", "--pull=never", "--network", "host", *certificates, *limits()),
        *("--file", str(dockerfile), "--target", target, "--tag", name, *options, str(context)),
    )


def _index() -> dict[str, str]:
    """The package index of this machine, when its environment names one."""
    url = os.environ.get("PIP_INDEX_URL")
    return {"INDEX_URL": url} if url else {}


def _run(command: Sequence[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise EngineFailed(f"{command[0]}: {(done.stderr or done.stdout)[-1000:].strip()}")
