"""Where models come from: folders, the hub's cache, and what happens when they cannot be had."""

from pathlib import Path

import pytest

from gpu_consumers.engines.loader import LoadedEngines, folder_of
from schemas.errors import Fatal, Transient
from schemas.models.registry import ModelEntry, ModelRegistry
from schemas.settings.gpu import GpuSettings, ModelSettings


def entry(**fields: object) -> ModelEntry:
    return ModelEntry(name="m", engine="faster-whisper", **fields)


class Hub:
    """The hub client's one function: knows one repository when it may use the network."""

    def __init__(self, folder: Path, known: str, cached: bool = False) -> None:
        self.folder, self.known, self.cached = folder, known, cached
        self.calls: list[bool] = []

    def snapshot_download(
        self,
        repo_id: str,
        revision: str | None = None,
        cache_dir: Path | None = None,
        local_files_only: bool = False,
    ) -> str:
        self.calls.append(local_files_only)
        if repo_id != self.known or (local_files_only and not self.cached):
            raise FileNotFoundError(repo_id)
        return str(self.folder)


def test_a_missing_folder_ends_the_process(tmp_path: Path) -> None:
    with pytest.raises(Fatal, match="there is no folder"):
        folder_of(entry(path=tmp_path / "none"), None)


def test_hub_models_are_fetched_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the cache without a call; else from the hub."""
    cached, fresh = Hub(tmp_path, "org/m", cached=True), Hub(tmp_path, "org/m")
    for hub, calls in ((cached, [True]), (fresh, [True, False])):
        monkeypatch.setattr("huggingface_hub.snapshot_download", hub.snapshot_download)
        assert folder_of(entry(hub="org/m"), None) == tmp_path
        assert hub.calls == calls


def test_an_unreachable_hub_is_a_passing_trouble(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The job is tried again later; the message names the model."""
    monkeypatch.setattr("huggingface_hub.snapshot_download", Hub(tmp_path, "org/other").snapshot_download)
    with pytest.raises(Transient, match="'m' could not be fetched"):
        folder_of(entry(hub="org/m"), None)


@pytest.mark.models
def test_a_folder_that_is_no_model_ends_the_process(tmp_path: Path) -> None:
    """With the name of the model and the device, instead of the library's riddle."""
    (tmp_path / "model.bin").write_bytes(b"nonsense")
    registry = ModelRegistry({"m": entry(path=tmp_path)}, "m", "d")
    with pytest.raises(Fatal, match="model 'm' does not run on cpu"):
        LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu")).transcriber("m")
