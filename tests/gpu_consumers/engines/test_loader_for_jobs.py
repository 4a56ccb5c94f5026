"""What a job that names a model may cost: itself, never the process; and which models stay in memory."""

import gc
import shutil
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

import gpu_consumers.engines.faster_whisper
from deploy.local.models.training.registry import FILE as MODELS
from gpu_consumers.core.delivery.error_policy import DeviceLost
from gpu_consumers.engines.loader import LoadedEngines
from schemas.errors import Fatal, Permanent, Transient
from schemas.models.registry import ModelEntry, ModelRegistry, load_registry
from schemas.settings.gpu import GpuSettings, ModelSettings

pytestmark = pytest.mark.models


def registry_with(**changes: Any) -> ModelRegistry:
    """The stand-ins, and two more names for the transcriber: `good` is the same, `odd` differs by `changes`."""
    known = load_registry(MODELS)
    same = known.models[known.default]
    more = {"good": same.model_copy(update={"name": "good"}), "odd": same.model_copy(update={"name": "odd", **changes})}
    return replace(known, models={**known.models, **more})


def engines_of(registry: ModelRegistry) -> LoadedEngines:
    return LoadedEngines(registry, ModelSettings(), GpuSettings(device="cpu"))


@pytest.mark.parametrize(
    "changes",
    [
        {"path": Path("/nowhere")},
        {"sha256": {"model.bin": "0" * 64}},
        {"compute_type": "float3"},
    ],
    ids=["no-folder", "another-digest", "not-loadable"],
)
def test_a_model_that_cannot_be_used_here_ends_the_job_that_names_it(changes: dict[str, Any]) -> None:
    """As the default it ends the process, at start; the text of libraries and paths stays in the log."""
    registry = registry_with(**changes)
    engines = engines_of(registry)
    good = engines.transcriber("good")
    with pytest.raises(Permanent) as caught:
        engines.transcriber("odd")
    assert caught.value.code == "internal"
    assert "'odd'" in caught.value.detail
    assert "nowhere" not in str(caught.value)
    if "compute_type" not in changes:
        assert engines.transcriber("good") is good
    with pytest.raises(Fatal):
        engines_of(replace(registry, default="odd")).transcriber("odd")


def test_a_hub_model_that_is_not_at_hand_offline_ends_the_job(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    registry = registry_with(path=None, hub="nobody/nothing", sha256={})
    engines = LoadedEngines(registry, ModelSettings(models_cache=tmp_path), GpuSettings(device="cpu"))
    with pytest.raises(Permanent) as caught:
        engines.transcriber("odd")
    assert caught.value.code == "internal"


def failing(message: str) -> Callable[..., Any]:
    def load(*_: object) -> Any:
        raise RuntimeError(message)

    return load


def test_a_device_without_room_is_tried_again_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """CTranslate2 says so in the text of a RuntimeError; a GPU that is lost still ends the process."""
    engines = engines_of(registry_with())
    monkeypatch.setattr(gpu_consumers.engines.faster_whisper, "load", failing("CUDA failed with error out of memory"))
    with pytest.raises(Transient, match="no memory for model 'odd'"):
        engines.transcriber("odd")
    with pytest.raises(Fatal):
        engines.transcriber(load_registry(MODELS).default)
    monkeypatch.setattr(gpu_consumers.engines.faster_whisper, "load", failing("an illegal memory access was seen"))
    with pytest.raises(DeviceLost):
        engines.transcriber("odd")


def test_the_default_and_the_last_other_model_stay() -> None:
    """The native model is freed before another is loaded; one that a job works with lives until that job ends."""
    registry = registry_with()
    engines = engines_of(registry)
    default = engines.transcriber(registry.default)
    good = cast("Any", engines.transcriber("good"))
    assert id(engines.transcriber("good")) == id(good)
    native = weakref.ref(good._recognizer._model)
    odd = cast("Any", engines.transcriber("odd"))
    assert native() is not None
    good.warm_up()
    del good
    gc.collect()
    assert native() is None
    assert id(engines.transcriber("odd")) == id(odd)
    native = weakref.ref(odd._recognizer._model)
    del odd
    seen: list[object] = []

    def load(*_: object) -> Any:
        seen.append(native())
        raise RuntimeError("enough seen")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gpu_consumers.engines.faster_whisper, "load", load)
        with pytest.raises(Permanent):
            engines.transcriber("good")
    assert seen == [None]
    assert engines.transcriber(registry.default) is default


def test_a_broken_copy_does_not_drive_out_a_good_one(tmp_path: Path) -> None:
    """Its files are checked before anything is freed."""
    entry: ModelEntry = load_registry(MODELS).models[load_registry(MODELS).default]
    assert entry.path is not None
    shutil.copytree(entry.path, tmp_path / "copy")
    (tmp_path / "copy" / "config.json").write_text("{}")
    engines = engines_of(registry_with(path=tmp_path / "copy"))
    good = engines.transcriber("good")
    with pytest.raises(Permanent):
        engines.transcriber("odd")
    assert engines.transcriber("good") is good
