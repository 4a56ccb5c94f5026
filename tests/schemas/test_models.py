"""The model registry refuses what does not fit together, with a message that names the choices."""

from dataclasses import replace
from pathlib import Path

import pytest

from schemas.errors import Permanent, SettingsError
from schemas.events import Options, Task
from schemas.models import load_registry

SEED = load_registry()


def test_the_seed_registry_has_the_promised_models() -> None:
    """The names of the first edition can be asked for."""
    names = {entry.name for entry in SEED.transcribers()}
    assert names == {
        "ivrit-ai/whisper-large-v3-turbo-ct2",
        "ivrit-ai/whisper-large-v3-ct2",
        "large-v3-turbo",
        "large-v3",
    }
    assert SEED.for_job(Options()).name == "ivrit-ai/whisper-large-v3-turbo-ct2"


@pytest.mark.parametrize(
    ("options", "code", "says"),
    [
        (Options(engine="kaldi"), "unknown_engine", "faster-whisper"),
        (Options(engine="pyannote"), "unknown_engine", "faster-whisper"),
        (Options(model="gpt"), "unknown_model", "large-v3"),
        (Options(model="pyannote/speaker-diarization-community-1"), "unknown_model", "large-v3"),
        (Options(model="large-v3", language="klingon"), "unknown_language", "klingon"),
        (Options(language="fr"), "unknown_language", "he, en"),
        (Options(language="English"), "unknown_language", "it knows: he, en; did you mean `en`"),
        (Options(model="large-v3", language="en-US"), "unknown_language", "did you mean `en`"),
        (Options(model="large-v3", language="HE"), "unknown_language", "did you mean `he`"),
        (Options(language="French"), "unknown_language", "'French' with model 'ivrit-ai"),
        (Options(task=Task.TRANSLATE), "invalid_request", "does not translate"),
    ],
)
def test_refusals_name_the_choices(options: Options, code: str, says: str) -> None:
    """A client can correct the request from the message alone."""
    with pytest.raises(Permanent) as caught:
        SEED.for_job(options)
    assert caught.value.code == code
    assert says in caught.value.message


def test_a_model_that_may_not_detect_needs_a_language(tmp_path: Path) -> None:
    """`language: null` is refused where detection is not allowed and nothing is the default."""
    file = tmp_path / "models.toml"
    file.write_text(
        'default = "m"\ndiarizer = "d"\n[models.m]\nengine = "faster-whisper"\npath = "m"\nlanguages = ["he"]\ndetects_language = false\n'
        '[models.d]\nengine = "pyannote"\npath = "d"\n'
    )
    registry = load_registry(file)
    assert registry.models["m"].path == tmp_path / "m"
    with pytest.raises(Permanent) as caught:
        registry.for_job(Options())
    assert caught.value.code == "language_required"
    assert registry.for_job(replace(Options(), language="he")).name == "m"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("default =", "SCRIBE_MODELS_FILE"),
        ('default = "x"', "SCRIBE_DEFAULT_MODEL: 'x' is no transcriber"),
        ('[models.m]\nengine = "faster-whisper"', "either path or hub"),
        ('[models.m]\nengine = "vosk"\npath = "x"', "faster-whisper"),
        ('[models.m]\nengine = "faster-whisper"\npath = "x"\nlangauges = ["en"]', "langauges"),
    ],
)
def test_a_wrong_registry_says_what_is_wrong(tmp_path: Path, text: str, says: str) -> None:
    """Operators get the file and the mistake, not a traceback."""
    file = tmp_path / "models.toml"
    file.write_text(text)
    with pytest.raises(SettingsError, match=says):
        load_registry(file)
