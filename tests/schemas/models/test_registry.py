"""The model registry refuses what does not fit together, with a message that names the choices."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from schemas.errors import Permanent, SettingsError
from schemas.events import Options, Task
from schemas.models.registry import ModelEntry, load_registry

SEED = load_registry()


def test_the_seed_registry_has_the_promised_models() -> None:
    """The names of the first edition can be asked for."""
    names = {entry.name for entry in SEED.transcribers()}
    assert names == {
        "ivrit-ai/whisper-large-v3-turbo-ct2",
        "ivrit-ai/whisper-large-v3-ct2",
        "large-v3-turbo",
        "large-v3",
        "whisper-base",
        "whisper-tiny.en",
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


def test_the_seed_registry_pins_all_that_it_has() -> None:
    """With a licence and a size, so that an operator knows both before anything is fetched."""
    assert [entry.name for entry in SEED.models.values() if not entry.pinned] == []
    assert all(entry.license and entry.size for entry in SEED.models.values())
    weights = {"model.bin", "embedding/pytorch_model.bin", "segmentation/pytorch_model.bin"}
    assert all(weights & entry.sha256.keys() for entry in SEED.models.values())


@pytest.mark.parametrize(
    ("fields", "pinned"),
    [
        ({"hub": "org/m"}, False),
        ({"hub": "org/m", "revision": "0" * 40}, False),
        ({"hub": "org/m", "sha256": {"model.bin": "0" * 64}}, False),
        ({"hub": "org/m", "revision": "main", "sha256": {"model.bin": "0" * 64}}, False),  # a branch moves
        ({"hub": "org/m", "revision": "0" * 40, "sha256": {"model.bin": "0" * 64}}, True),
        ({"path": "x"}, False),
        ({"path": "x", "sha256": {"model.bin": "0" * 64}}, True),
    ],
)
def test_an_entry_is_pinned_by_digests_and_a_commit(fields: dict[str, object], pinned: bool) -> None:
    assert ModelEntry.model_validate({"name": "m", "engine": "faster-whisper", **fields}).pinned is pinned


WHEEL = {
    "package": "some-weights",
    "version": "1.0",
    "file": "some_weights-1.0-py3-none-any.whl",
    "sha256": "0" * 64,
    "size": 1,
}
FROM_WHEELS = {
    "engine": "faster-whisper",
    "wheels": [WHEEL],
    "members": {"model.bin": ["weights/model.bin"]},
    "sha256": {"model.bin": "0" * 64},
}


def wheel(**fields: object) -> dict[str, object]:
    return {"wheels": [{**WHEEL, **fields}]}


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"path": "x"}, "one of path, hub and wheels"),
        ({"wheels": []}, "one of path, hub and wheels"),
        ({"members": {}}, "members and converter belong to wheels"),
        ({"revision": "main"}, "a revision is one of the hub"),
        ({"sha256": {}}, "the sha256 of each of its files"),
        ({"members": {"other.bin": ["weights/model.bin"]}}, "the sha256 of each of its files"),
        ({"members": {"model.bin": []}}, "at least 1 item"),
        ({"converter": "unpickle"}, "pyannote-campplus"),
        ({"sha256": {"model.bin": "abc"}}, "sha256"),
        *(
            ({"members": {name: ["weights/model.bin"]}, "sha256": {name: "0" * 64}}, "no file below the model's folder")
            for name in (
                "../model.bin",
                "a/../../model.bin",
                "/etc/passwd",
                "a//b",
                "",
                ".hidden",
                "a\\b",
                "c:b",
                "a/.b",
            )
        ),
        (wheel(package="--index-url"), "package"),
        (wheel(package="weights@https"), "package"),
        (wheel(version="1.0 --pre"), "version"),
        (wheel(file="../some_weights-1.0-py3-none-any.whl"), "file"),
        (wheel(file="some_weights-1.0.tar.gz"), "file"),
        (wheel(file="other-1.0-py3-none-any.whl"), "is no wheel of some-weights 1.0"),
        (wheel(sha256="0" * 63), "sha256"),
        (wheel(size=0), "size"),
        (wheel(url="https://example.org"), "url"),
    ],
)
def test_wheels_that_do_not_fit_are_refused(fields: dict[str, object], says: str) -> None:
    """No option of pip, no address and no way out of the model's folder gets past the registry."""
    assert ModelEntry.model_validate({"name": "m", **FROM_WHEELS})
    with pytest.raises(ValidationError, match=says):
        ModelEntry.model_validate({"name": "m", **FROM_WHEELS, **fields})


@pytest.mark.parametrize("name", ["", "..", "../m", "-m", "a b", "a\\b"])
def test_names_of_models_are_names_of_folders(name: str) -> None:
    with pytest.raises(ValidationError, match="name"):
        ModelEntry.model_validate({**FROM_WHEELS, "name": name})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("default =", "SCRIBE_MODELS_FILE"),
        ('default = "x"', "SCRIBE_DEFAULT_MODEL: 'x' is no transcriber"),
        ('[models.m]\nengine = "faster-whisper"', "one of path, hub and wheels"),
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


def test_the_model_decides_its_engine_where_a_request_names_none(tmp_path: Path) -> None:
    """As the default model and by its name; an engine that is named and is another one is told so."""
    file = tmp_path / "models.toml"
    file.write_text(
        'default = "m"\ndiarizer = "d"\n[models.m]\nengine = "ctranslate2-whisper"\npath = "m"\n'
        '[models.f]\nengine = "faster-whisper"\npath = "f"\n[models.d]\nengine = "pyannote"\npath = "d"\n'
    )
    registry = load_registry(file)
    for options in (Options(), Options(model="m"), Options(model="m", engine="ctranslate2-whisper")):
        assert registry.for_job(options).name == "m"
    with pytest.raises(Permanent, match="'f' with engine 'ctranslate2-whisper': it is a model of 'faster-whisper'"):
        registry.for_job(Options(model="f", engine="ctranslate2-whisper"))
    with pytest.raises(Permanent, match="'d'; known: f, m"):
        registry.for_job(Options(model="d"))
