"""Real models for tests: those that somebody has fetched here; a test that lacks one is skipped and says how to get it."""

import pytest

from gpu_consumers.engines.models.store import fetched_folder
from schemas.models.registry import load_registry
from schemas.settings.gpu import ModelSettings

TRANSCRIBER, DIARIZER = "whisper-base", "pyannote-campplus"


def require_fetched(*names: str) -> None:
    """Skip the test unless these models from wheels are on this machine."""
    registry, cache = load_registry(), ModelSettings().models_cache
    missing = [name for name in names if not fetched_folder(registry.models[name], cache).is_dir()]
    if missing:
        pytest.skip(f"real models are not here: scribe-gpu models fetch {' '.join(missing)}")
