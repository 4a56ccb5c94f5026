"""Write the golden bytes of the current schemas; run it after `python -m schemas.wire.release`, never to repair a test.

python -m tests.schemas.wire.write_golden
"""

import json
from pathlib import Path

from schemas.wire.serde import ManifestStore, Serde, to_json
from tests.samples import SAMPLES


def main() -> None:
    """Add the missing files; existing ones stay."""
    folder = Path(__file__).parent / "golden"
    folder.mkdir(exist_ok=True)
    store = ManifestStore()
    for name, event in SAMPLES.items():
        path = folder / f"{store.id_of(event.KIND)}.{name}.json"
        if not path.exists():
            golden = {"hex": Serde().encode(event).hex(), "means": to_json(event)}
            path.write_text(json.dumps(golden, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
