"""How a GPU process ends that is told to before it works."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import closing

PATIENCE = 60.0


def test_a_process_that_still_starts_ends_in_good_order() -> None:
    """Also as the first process of a container, where a signal without a handler does nothing."""
    # given: a registry that takes a connection and never answers, for which the start waits
    with closing(socket.create_server(("127.0.0.1", 0))) as registry:
        registry.settimeout(PATIENCE)
        environment = {
            "SCRIBE_ENVIRONMENT": "development",
            "SCRIBE_KAFKA_BOOTSTRAP": "127.0.0.1:9",
            "SCRIBE_SCHEMA_REGISTRY_URL": f"http://127.0.0.1:{registry.getsockname()[1]}",
        }
        clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
        command = [sys.executable, "-m", "gpu_consumers", "--stages", "transcribe", "--fake"]
        with subprocess.Popen(command, env={**clean, **environment}, stdout=subprocess.PIPE, text=True) as process:
            connection, _ = registry.accept()
            # when
            process.send_signal(signal.SIGTERM)
            said, _ = process.communicate(timeout=PATIENCE)
            connection.close()
    # then
    assert process.returncode == 0, said
    assert "SIGTERM" in said
