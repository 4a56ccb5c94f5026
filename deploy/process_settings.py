"""Settings that each process reads, by the process's name: what every deployment has to set, and as JSON for Terraform.

python -m deploy.process_settings            write deploy/aws/settings.json
python -m deploy.process_settings --check    say whether it is as it should be
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from pydantic import SecretStr
from pydantic_settings import BaseSettings

from schemas.settings import processes
from schemas.settings.base import variable_of
from schemas.settings.concerns import SETTINGS
from schemas.settings.outbound import OutboundSettings
from schemas.settings.service import ServiceSettings

FILE = Path(__file__).parent / "aws" / "settings.json"


class OperatorCommands(
    ServiceSettings,
    processes.ReplayProcess,
    processes.StalledCommand,
    OutboundSettings,
):
    """All that the `scribe` command reads for those who run the service: topics, database, tenants, dead letters."""


PROCESSES: Mapping[str, type[BaseSettings]] = {
    "api": processes.ApiProcess,
    "relay": processes.RelayProcess,
    "persist": processes.PersistProcess,
    "enhance": processes.EnhanceProcess,
    "webhooks": processes.WebhooksProcess,
    "dispatch": processes.DispatchProcess,
    "retention": processes.RetentionProcess,
    "gpu": processes.GpuProcess,
    "operator": OperatorCommands,
}
"""Every process with the settings that it loads; `operator` is the command in a task of its own, not a service."""
OF_PLATFORMS = frozenset({"ECS_AGENT_URI"})
"""What a platform sets by itself."""


def concern_name(concern: type[BaseSettings]) -> str:
    """The name of a class of settings in deployments: `ObjectStoreSettings` is `object-store`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", concern.__name__.removesuffix("Settings")).lower()


def variables(process: str) -> frozenset[str]:
    """The environment variables that a deployment may set for a process."""
    return frozenset(variable_of(name) for name in PROCESSES[process].model_fields) - OF_PLATFORMS


def secrets() -> frozenset[str]:
    """The variables whose values nobody may read in a deployment's files."""
    return frozenset(
        variable_of(name)
        for cls in SETTINGS
        for name, field in cls.model_fields.items()
        if SecretStr in (field.annotation, *getattr(field.annotation, "__args__", ()))
    )


def document() -> str:
    """The JSON text: variables by process, and the secrets among them."""
    found = {
        "processes": {name: sorted(variables(name)) for name in PROCESSES},
        "secrets": sorted(secrets()),
    }
    return json.dumps(found, indent=2) + "\n"


def main() -> int:
    """Write the file, or with --check only compare it."""
    if "--check" not in sys.argv[1:]:
        FILE.write_text(document())
        return 0
    if FILE.read_text() == document():
        return 0
    print(f"{FILE} is not what the code says: python -m deploy.process_settings")
    return 1


if __name__ == "__main__":
    sys.exit(main())
