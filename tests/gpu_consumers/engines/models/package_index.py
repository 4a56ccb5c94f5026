"""A package index on loopback, with wheels that a test made; it says how often each was fetched."""

import hashlib
import zipfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from schemas.models.sources import Wheel


class PackageIndex:
    """Wheels in a folder, as pip finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fetched: Counter[str] = Counter()
        self.url = ""

    def add(self, package: str, members: Mapping[str, bytes], tags: str = "py3-none-any") -> Wheel:
        """Put up a wheel with these members; what pins it."""
        file = f"{package.replace('-', '_')}-1.0-{tags}.whl"
        place = self.folder / package
        place.mkdir(exist_ok=True)
        with zipfile.ZipFile(place / file, "w") as archive:
            for name, body in {**described(package, tags), **members}.items():
                archive.writestr(name, body)
        body = (place / file).read_bytes()
        return Wheel(package=package, version="1.0", file=file, sha256=hashlib.sha256(body).hexdigest(), size=len(body))

    def remove(self, wheel: Wheel) -> bytes:
        """Take a wheel down."""
        path = self.folder / wheel.package / wheel.file
        body = path.read_bytes()
        path.unlink()
        return body


def described(package: str, tags: str) -> dict[str, bytes]:
    """What makes an archive a wheel."""
    folder = f"{package.replace('-', '_')}-1.0.dist-info"
    return {
        f"{folder}/METADATA": f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n".encode(),
        f"{folder}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tags}\n".encode(),
    }


@contextmanager
def serving(folder: Path) -> Iterator[PackageIndex]:
    """An index that listens."""
    index = PackageIndex(folder)

    class Handler(SimpleHTTPRequestHandler):
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            index.fetched[Path(self.path).name] += 1
            super().do_GET()

        def log_message(self, *_: object) -> None:
            """Said by the counter."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        index.url = f"http://127.0.0.1:{server.server_port}/"
        yield index
        server.shutdown()
        thread.join()
