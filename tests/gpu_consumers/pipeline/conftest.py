"""The stages that tests of this folder share."""

from pathlib import Path

import pytest

from schemas.wire.object_keys import upload_key
from tests.gpu_consumers.pipeline.staging import MONO, UPLOAD
from tests.gpu_consumers.scripted import StageHarness


@pytest.fixture
def rig(tmp_path: Path) -> StageHarness:
    made = StageHarness(tmp_path)
    made.store.put(upload_key("acme", UPLOAD), MONO, content_type="audio/ogg")
    return made
