"""The commands of the service's processes, as the local stack starts them."""

from deploy.local.service import COMMANDS, OURS

SCRIPTS = {
    "producers.api": "scribe-api",
    "producers.relay": "scribe-relay",
    "gpu_consumers": "scribe-gpu",
    "streams": "scribe-streams",
}


def service_commands() -> dict[str, list[str]]:
    """Name and words of each process, without options."""
    return {
        name: [SCRIPTS[COMMANDS[name][0]], *(word for word in COMMANDS[name][1:] if word.isalpha())] for name in OURS
    }
