"""How a GPU process ends that is told to before it works."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

import pytest

PATIENCE = 60.0


@pytest.mark.parametrize("silent", ["broker", "registry"])
def test_a_process_that_still_starts_ends_in_good_order(silent: str, kafka: str) -> None:
    """Also as the first process of a container, where a signal without a handler does nothing."""
    # given: a server that takes a connection and never answers, for which the start waits
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        server.settimeout(PATIENCE)
        address = f"127.0.0.1:{server.getsockname()[1]}"
        environment = {
            "SCRIBE_ENVIRONMENT": "development",
            "SCRIBE_KAFKA_BOOTSTRAP": address if silent == "broker" else kafka,
            "SCRIBE_SCHEMA_REGISTRY_URL": f"http://{address}" if silent == "registry" else "http://127.0.0.1:9",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
        command = [sys.executable, "-m", "gpu_consumers", "--stages", "transcribe", "--fake"]
        with subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.PIPE, text=True) as process:
            connection, _ = server.accept()
            # when
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=PATIENCE)
            connection.close()
    # then
    assert process.returncode == 0, said
