"""Real recordings through the product and through stock faster-whisper and pyannote, on the same weights in the same run.

python -m tests.bench.real_speech FOLDER --models-file models.toml --model whisper-base
"""

import json
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console

from gpu_consumers.engines.libraries.ctranslate2_device import gpu_available
from gpu_consumers.engines.loader import choose_device
from schemas.errors import ScribeError
from schemas.models.registry import ModelRegistry, known_as, load_registry
from tests.bench.real_speech.measuring import Measured, SpeechHarness
from tests.bench.real_speech.references import Recording, UnusableFolder, recordings
from tests.bench.real_speech.report import (
    LEGEND,
    as_json,
    cues_table,
    faults,
    speakers_table,
    times_table,
    words_table,
)

HELP = """Measure how well real recordings are transcribed, beside the stock libraries on the same weights.

FOLDER holds recordings of any kind (audio or video) and a references.json that says what is said in each:

{"talk.mp3": {"text": "Hello there.", "language": "en",
"turns": [{"start": 0.5, "end": 2.0, "speaker": "Ann"}]}}

All of it may be left out: without a text words are counted and not judged, an empty one means that nobody speaks,
without turns nobody's voice is told apart.

What is measured is the service's own way: both stages of scribe-gpu, their models from the registry, the subtitles.
Exit code 1 when there are words where nobody speaks, text that the model did not write so, or a cue that is too long,
and when in total more words are wrong than stock's sequential has wrong, the DER is a point above stock's, or looking
for what to hear again takes 15 % more of the processor where nothing is found; 2 when something cannot be measured at all.
"""

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command(help=HELP)
def main(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Recordings with a references.json.")],
    model: Annotated[
        list[str] | None, typer.Option(help="Registry entry to transcribe with; may be given again. Else the default.")
    ] = None,
    models_file: Annotated[
        Path | None, typer.Option(help="Model registry file; else the one that ships with the service.")
    ] = None,
    diarizer: Annotated[
        str | None, typer.Option(help="Registry entry of the diarizer, or none. Else the file's default.")
    ] = None,
    only: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Only recordings that begin so; several with commas.")
    ] = None,
    device: Annotated[Literal["auto", "cuda", "cpu"], typer.Option(help="Where all of them run.")] = "auto",
    as_json_: Annotated[bool, typer.Option("--json", help="All that was measured, texts included, as JSON.")] = False,
) -> None:
    """Measure and print."""
    try:
        registry = _registry(models_file, model or [], diarizer)
        chosen = recordings(folder, [name.strip() for name in only.split(",")] if only else [])
        runs = {
            name: _measured(registry, name, choose_device(device, gpu_available()), diarizer != "none", chosen)
            for name in model or [registry.default]
        }
    except (UnusableFolder, ScribeError) as error:
        raise typer.BadParameter(str(error)) from error
    if as_json_:
        told = None if diarizer == "none" else registry.diarizer
        runs_ = [as_json(name, told, measured) for name, measured in runs.items()]
        json.dump(runs_, sys.stdout, ensure_ascii=False, indent=1)
    else:
        _show(runs, Console(width=160))
    raise typer.Exit(int(any(faults(measured) for measured in runs.values())))


def _registry(path: Path | None, models: list[str], diarizer: str | None) -> ModelRegistry:
    registry = load_registry(path)
    for name in models:
        if name not in registry.names():
            raise typer.BadParameter(f"--model: {known_as(name, registry.names())}")
    if diarizer in (None, "none"):
        return registry
    known = sorted(name for name, entry in registry.models.items() if entry.engine == "pyannote")
    if diarizer not in known:
        raise typer.BadParameter(f"--diarizer: {known_as(diarizer, [*known, 'none'])}")
    return load_registry(path, diarizer=diarizer)


def _measured(
    registry: ModelRegistry, model: str, device: str, diarizes: bool, chosen: tuple[Recording, ...]
) -> list[Measured]:
    progress = Console(stderr=True)
    with tempfile.TemporaryDirectory(prefix="real-speech-") as folder:
        bench = SpeechHarness(registry, registry.models[model], device, diarizes, Path(folder))
        found = []
        for recording in chosen:
            if not bench.knows(recording):
                progress.print(f"{recording.name}: left out, {model} does not know its language")
                continue
            progress.print(f"{recording.name} with {model} on {device}")
            found.append(bench.measure(recording))
    return found


def _show(runs: dict[str, list[Measured]], console: Console) -> None:
    for name, measured in runs.items():
        console.rule(name)
        for table in (words_table(measured), speakers_table(measured), cues_table(measured), times_table(measured)):
            console.print(table)
        console.print(LEGEND, highlight=False)
        console.print(*faults(measured), sep="\n")


if __name__ == "__main__":
    app()
