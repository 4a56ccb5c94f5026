"""Fetching through the real Maven client from a repository on this machine that behaves, lies, or breaks off."""

import gc
import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from deploy.local.artifacts import Artifact, artifacts_of, cache_folder, ensure_room, fetch, line_of, parse_line
from deploy.local.errors import DiskFull, DownloadFailed

# jgo does not close the connection of an answer that it does not like
pytestmark = pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")

BODY = b"jar" * 1000
JAR = Artifact("org.example", "thing", "1.0", "", "jar", hashlib.sha256(BODY).hexdigest(), len(BODY))


class Handler(SimpleHTTPRequestHandler):
    """Serves files; of one called broken-* it sends only a half."""

    disable_nagle_algorithm = True

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""

    def copyfile(self, source: Any, outputfile: Any) -> None:
        """Send the file, or the half of it."""
        body = source.read()
        outputfile.write(body[: len(body) // 2] if "broken" in self.path else body)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a Maven repository that jgo's own configuration file names."""
    folder = tmp_path / "repository"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        settings = tmp_path / "jgo.conf"
        settings.write_text(f"[repositories]\nhere = http://127.0.0.1:{server.server_port}\n")
        monkeypatch.setenv("JGO_CONFIG_FILE", str(settings))
        yield folder
        server.shutdown()
        thread.join()
    gc.collect()  # while the warning about jgo's connections is off


def publish(repository: Path, artifact: Artifact, body: bytes = BODY) -> None:
    """Put a file where Maven looks for it."""
    folder = repository.joinpath(*artifact.group.split("."), artifact.name, artifact.version)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / artifact.file_name).write_bytes(body)


def files(cache: Path) -> list[str]:
    """All that lies in the cache."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file())


@pytest.mark.parametrize("component", ["kafka", "kafka-4.1", "s3", "registry", "examples"])
def test_the_lists_name_each_file_once(component: str) -> None:
    artifacts = artifacts_of(component)
    assert [parse_line(line_of(artifact)) for artifact in artifacts] == list(artifacts)
    assert len({artifact.file_name for artifact in artifacts}) == len(artifacts)


def test_a_file_is_fetched_once_and_kept(repository: Path, tmp_path: Path) -> None:
    publish(repository, JAR)
    cache = tmp_path / "cache"
    (path,) = fetch([JAR], cache)
    assert path.read_bytes() == BODY
    (repository / "org").rename(repository / "gone")
    assert fetch([JAR], cache) == [path]


def test_archives_with_a_classifier_are_fetched(repository: Path, tmp_path: Path) -> None:
    archive = replace(JAR, classifier="all", packaging="tar.gz")
    publish(repository, archive)
    assert [path.name for path in fetch([archive], tmp_path / "cache")] == ["thing-1.0-all.tar.gz"]


def test_a_file_of_other_content_is_refused(repository: Path, tmp_path: Path) -> None:
    publish(repository, JAR, BODY[:-1] + b"!")
    with pytest.raises(DownloadFailed, match="not the pinned file"):
        fetch([JAR], tmp_path / "cache")
    assert files(tmp_path / "cache") == []


def test_half_a_download_leaves_nothing(repository: Path, tmp_path: Path) -> None:
    broken = replace(JAR, name="broken")
    publish(repository, broken)
    with pytest.raises(DownloadFailed, match=r"broken-1\.0\.jar"):
        fetch([broken], tmp_path / "cache")
    assert files(tmp_path / "cache") == []


def test_a_damaged_file_of_the_cache_is_replaced(repository: Path, tmp_path: Path) -> None:
    publish(repository, JAR)
    (path,) = fetch([JAR], tmp_path / "cache")
    path.write_bytes(b"x" * JAR.size)
    assert fetch([JAR], tmp_path / "cache")[0].read_bytes() == BODY


def test_a_missing_file_is_named_with_the_cache_folder(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(DownloadFailed, match=r"thing-1\.0\.jar") as caught:
        fetch([JAR], tmp_path / "cache")
    assert str(tmp_path / "cache") in str(caught.value)


def test_a_full_disk_is_told_before_anything_is_fetched(tmp_path: Path) -> None:
    with pytest.raises(DiskFull, match="SCRIBE_CACHE_DIR"):
        ensure_room(tmp_path, 10**18)


def test_the_cache_folder_can_be_chosen(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SCRIBE_CACHE_DIR", str(tmp_path))
    assert cache_folder() == tmp_path
