"""Engines by their names: each has its module, which is imported for those that ask for it alone."""

import subprocess
import sys
from collections.abc import Callable

import pytest

from gpu_consumers.engines.registry import UnknownEngine, diarizer_engine, transcriber_engine
from schemas.models.registry import ENGINES


@pytest.mark.models
@pytest.mark.parametrize(("name", "kind"), ENGINES.items())
def test_every_engine_has_a_module_that_loads_models(name: str, kind: str) -> None:
    engine = transcriber_engine(name) if kind == "transcriber" else diarizer_engine(name)
    assert callable(engine.load)
    assert engine.gpu_available() in (True, False)


@pytest.mark.parametrize(
    ("find", "name", "known"),
    [
        (transcriber_engine, "vosk", "faster-whisper, ctranslate2-whisper"),
        (transcriber_engine, "pyannote", "faster-whisper, ctranslate2-whisper"),
        (diarizer_engine, "faster-whisper", "pyannote"),
        (diarizer_engine, "../loader", "pyannote"),
    ],
)
def test_an_engine_that_is_none_is_told_with_those_there_are(
    find: Callable[[str], object], name: str, known: str
) -> None:
    with pytest.raises(UnknownEngine, match=f"engine '{name}'; known: {known}"):
        find(name)


@pytest.mark.models
@pytest.mark.parametrize(
    ("ask", "absent"),
    [
        ('diarizer_engine("pyannote")', ("ctranslate2", "faster_whisper")),
        ('transcriber_engine("faster-whisper")', ("pyannote", "torch")),
    ],
    ids=["diarizer", "transcriber"],
)
def test_a_process_holds_no_library_of_another_engine(ask: str, absent: tuple[str, ...]) -> None:
    code = f"import sys; from gpu_consumers.engines.registry import *; {ask}; print(sorted(sys.modules.keys() & {set(absent)}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
