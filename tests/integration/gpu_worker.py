"""A GPU process with the fake stage: python -m tests.integration.gpu_worker ARGUMENTS_AS_JSON."""

import json
import logging
import os
import sys
from pathlib import Path

from gpu_consumers.service import STOP_SECONDS
from schemas.process.logs import configure
from schemas.settings.service import ServiceSettings
from sink.process.termination import Termination
from tests.integration.gpu import GpuGroup, GroupMember


def main() -> int:
    arguments = json.loads(sys.argv[1])
    worker, workers, seconds = (arguments.pop(name) for name in ("worker", "workers", "drain_seconds"))
    executions = arguments.pop("executions", None)
    configure(ServiceSettings(), "scribe-gpu")
    path = Path(executions) if executions else None
    member = GroupMember(GpuGroup(**arguments), worker, workers=workers, drain_seconds=seconds, executions=path)
    Termination(seconds + STOP_SECONDS).install().on_request(member.shutdown.request)
    return member.service.run([member._group])


if __name__ == "__main__":
    status = main()
    logging.shutdown()
    os._exit(status)
