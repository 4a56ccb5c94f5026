"""The lock files agree with each other and with pyproject, pin everything by hash, and name no registry."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from deploy.locks import EXTRAS, ROLES, TOOLS

ROOT = Path(__file__).parents[2]
REQUIREMENTS = ROOT / "deploy" / "requirements"
LOCKS = sorted(path.name for path in REQUIREMENTS.glob("*.txt"))
# hosts of package registries, written so that this file does not name one
HOSTS = re.compile(
    r"pypi[.]org|python[h]osted[.]org|repo1?[.]maven[.]|maven[.]apache[.]org/maven2|registry[.]npmjs|crates[.]io"
    r"|proxy[.]golang|deb[.]debian[.]org|packages[.]confluent"
)


def pins(name: str) -> set[str]:
    """The `package==version` of a lock file, once for each marker."""
    return set(re.findall(r"^[a-z0-9][^\s;\\]*==[^\s;\\]+", (REQUIREMENTS / name).read_text(), re.MULTILINE))


def names(lock: str) -> set[str]:
    """The packages of a lock file."""
    return {canonicalize_name(pin.split("==")[0].split("[")[0]) for pin in pins(lock)}


def test_every_image_has_its_lock() -> None:
    assert {"dev.txt", "bootstrap.txt", *(f"{role}.txt" for role in (*ROLES, *EXTRAS, *TOOLS))} == set(LOCKS)


@pytest.mark.parametrize("role", ROLES)
def test_an_image_holds_what_development_tested(role: str) -> None:
    assert pins(f"{role}.txt")
    assert pins(f"{role}.txt") <= pins("dev.txt")


@pytest.mark.parametrize("extra", EXTRAS)
def test_what_is_installed_on_top_shares_the_versions_of_development(extra: str) -> None:
    shared = names(f"{extra}.txt") & names("dev.txt")
    assert {pin for pin in pins(f"{extra}.txt") if canonicalize_name(pin.split("==")[0]) in shared} <= pins("dev.txt")


@pytest.mark.parametrize("lock", LOCKS)
def test_every_entry_is_pinned_with_hashes(lock: str) -> None:
    entries = re.findall(r"^[^\s#].*(?:\n    .*)*", (REQUIREMENTS / lock).read_text(), re.MULTILINE)
    assert [entry.splitlines()[0] for entry in entries if "==" not in entry or "--hash=sha256:" not in entry] == []


@pytest.mark.parametrize("lock", LOCKS)
def test_one_cudnn_only(lock: str) -> None:
    """torch brings the one for CUDA 13; a second one beside it takes its place in the loader."""
    assert "nvidia-cudnn-cu12" not in names(lock)


def test_the_lock_holds_every_dependency_of_the_project() -> None:
    """A dependency that was added without locking it again is named."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = map(Requirement, [*project["dependencies"], *(line for role in ("dev", *ROLES) for line in extras[role])])
    unmet = {canonicalize_name(requirement.name) for requirement in wanted} - names("dev.txt")
    assert unmet <= {canonicalize_name(project["name"])}


def test_no_file_names_a_registry() -> None:
    """Which registry is asked is the user's setting, a mirror included."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    found = []
    for name in filter(None, listed.split("\0")):
        path = ROOT / name
        if path.is_file() and HOSTS.search(path.read_bytes().decode("utf-8", "ignore")):
            found.append(name)
    assert found == []
