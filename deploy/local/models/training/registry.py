"""Write the digests of the stand-ins' files into models.toml: run after a model changed.

python -m deploy.local.models.training.registry
"""

import tomllib
from pathlib import Path

from gpu_consumers.files import sha256_of

FOLDER = Path(__file__).parents[1]
FILE = FOLDER / "models.toml"
HEAD = """# The stand-in models: small ones for tests and laptops, trained on synthetic speech; see README.md.
# The digests are written by `python -m deploy.local.models.training.registry`.
default = "whisper-tiny-espeak"
diarizer = "diarizer-tiny-espeak"
"""
MODELS = {
    "whisper-tiny-espeak": """engine = "faster-whisper"
languages = ["en", "he"]
translates = false
compute_type = "int8"
description = "Stand-in: a few dozen words of synthetic English and Hebrew\"""",
    "diarizer-tiny-espeak": """engine = "pyannote"
description = "Stand-in: tells synthetic voices apart\"""",
}


def rendered() -> str:
    """The registry as it should be."""
    return HEAD + "".join(_entry(name, text) for name, text in MODELS.items())


def _entry(name: str, text: str) -> str:
    folder = FOLDER / name
    digests = "".join(
        f'"{path.relative_to(folder).as_posix()}" = "{sha256_of(path)}"\n'
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    )
    return f'\n[models.{name}]\n{text}\npath = "{name}"\nstand_in = true\n\n[models.{name}.sha256]\n{digests}'


def main() -> None:
    """Write the file."""
    text = rendered()
    tomllib.loads(text)
    FILE.write_text(text)
    print(f"{FILE.name} is written")


if __name__ == "__main__":
    main()
