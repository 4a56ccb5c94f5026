#!/usr/bin/env python3
"""Health check of a container: asks the process in it for /livez, or for the path that is given; exit code 0 when it is well.

It uses only the standard library, so that it starts in tens of milliseconds.
"""

import http.client
import os
import sys

SECONDS = 5.0
# the REST shim has a port of its own, every other process that of its metrics
PORTS = (("SCRIBE_API_PORT", "8000"), ("SCRIBE_METRICS_PORT", "9100"))


def main() -> int:
    """Exit code: 0 when the first port that somebody listens on answers 200."""
    path = sys.argv[1] if len(sys.argv) > 1 else "/livez"
    for name, default in PORTS:
        try:
            status, body = answer(int(os.environ.get(name) or default), path)
        except ConnectionRefusedError:
            continue
        except (OSError, http.client.HTTPException) as error:
            sys.stdout.write(f"{path}: {error}\n")
            return 1
        sys.stdout.write(f"{path}: {status} {body}\n")
        return 0 if status == 200 else 1
    sys.stdout.write(f"{path}: nobody listens\n")
    return 1


def answer(port: int, path: str) -> tuple[int, str]:
    """Status and first words of the answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read(200).decode(errors="replace").strip()
    finally:
        connection.close()


if __name__ == "__main__":
    sys.exit(main())
