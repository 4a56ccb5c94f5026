"""The settings of the service in compose.yaml: one block a class of settings, written from the code.

python -m deploy.compose.settings
"""

import sys
from pathlib import Path

from deploy import process_settings
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS

FILE = Path(__file__).parent / "compose.yaml"
BEGIN, END = "# settings: written by python -m deploy.compose.settings\n", "# end of settings\n"
FIXED = {
    # where things are inside of this system
    "SCRIBE_KAFKA_BOOTSTRAP": "kafka:9092",
    "SCRIBE_POSTGRES_DSN": "postgresql://scribe:${POSTGRES_PASSWORD:?is not set, see .env.example}@postgres:5432/scribe",
    "SCRIBE_S3_ENDPOINT": "http://s3:9000",
    "SCRIBE_S3_ACCESS_KEY": "${SCRIBE_S3_ACCESS_KEY:?is not set, see .env.example}",
    "SCRIBE_S3_SECRET_KEY": "${SCRIBE_S3_SECRET_KEY:?is not set, see .env.example}",
    "SCRIBE_API_URL": "http://api:8000",
    "SCRIBE_API_HOST": "0.0.0.0",  # noqa: S104 - inside of a container
    "SCRIBE_API_PORT": '"8000"',
    "SCRIBE_METRICS_HOST": "0.0.0.0",  # noqa: S104 - inside of a container
    "SCRIBE_METRICS_PORT": '"9100"',
    "SCRIBE_MODELS_CACHE": "/models",
    "SCRIBE_AUDIO_CACHE_DIR": "/scratch/audio",
    # replicas of a service share these lines, and a name is for one process only
    "SCRIBE_WORKER_ID": '""',
    "SCRIBE_WEBHOOK_KEY": "${SCRIBE_WEBHOOK_KEY:?is not set, see .env.example}",
}
"""Settings that the system decides by itself or cannot do without; all others come from `.env`, else from the code."""


def blocks() -> str:
    """All blocks as YAML; an empty value is a setting that was not set."""
    parts = []
    for cls in SETTINGS:
        names = [
            name for field in cls.model_fields if (name := variable_of(field)) not in process_settings.OF_PLATFORMS
        ]
        lines = [f"  {name}: {FIXED.get(name, f'${{{name}:-}}')}\n" for name in names]
        block = process_settings.concern_name(cls)
        parts.append(f"x-{block}: &{block}\n{''.join(lines)}")
    return "\n".join(parts)


def written(text: str) -> str:
    """The file with the blocks of the present code."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the lines {BEGIN!r} and {END!r} are missing")
    return f"{head}{BEGIN}{blocks()}{END}{tail}"


PROCESSES = {name: cls for name, cls in process_settings.PROCESSES.items() if name != "operator"}
"""What each service of ours reads; `scribe` and `init` are the operator's command."""

if __name__ == "__main__":
    FILE.write_text(written(FILE.read_text()))
    sys.stdout.write(f"{FILE}\n")
