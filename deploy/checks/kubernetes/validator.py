"""Program for the tools' environment: sets of manifests on standard input, held against the schemas of Kubernetes and ours.

It imports nothing of this project. In: `{"versions": […], "schemas": {"apiVersion/kind": …}, "sets": {"name": [manifest…]}}`;
out: `{"name": ["what is wrong"…]}`. A manifest that several sets have is validated once.
"""

import importlib
import json
import sys
from functools import cache
from typing import Any

MOST = 300  # characters of a message, which may quote all of a manifest


def main() -> None:
    """Validate what stands on standard input."""
    asked = json.load(sys.stdin)
    versions, schemas = tuple(asked["versions"]), asked["schemas"]

    @cache
    def mistakes(text: str) -> tuple[str, ...]:
        manifest = json.loads(text)
        own = schemas.get(f"{manifest.get('apiVersion')}/{manifest.get('kind')}")
        found = of_ours(manifest, own) if own else of_kubernetes(manifest, versions)
        metadata = manifest.get("metadata") or {}
        return tuple(f"{manifest.get('kind')} {metadata.get('name')}: {each}" for each in found)

    found = {
        name: [each for manifest in manifests for each in mistakes(json.dumps(manifest, sort_keys=True))]
        for name, manifests in asked["sets"].items()
    }
    json.dump(found, sys.stdout)


def of_ours(manifest: dict[str, Any], schema: dict[str, Any]) -> list[str]:
    """Everything that a schema of ours refuses."""
    jsonschema = importlib.import_module("jsonschema")
    errors = jsonschema.Draft202012Validator(schema).iter_errors(manifest)
    return [_said(jsonschema.exceptions.best_match([error])) for error in errors]


def of_kubernetes(manifest: dict[str, Any], versions: tuple[str, ...]) -> list[str]:
    """Everything that the strict schemas of Kubernetes refuse, with the versions that do."""
    validate = importlib.import_module("kubernetes_validate")
    by_text: dict[str, list[str]] = {}
    for version in versions:
        try:
            validate.validate(manifest, version, strict=True)
        except validate.ValidationError as error:
            by_text.setdefault(_said(error), []).append(version)
        except (validate.SchemaNotFoundError, KeyError, AttributeError) as error:
            by_text.setdefault(f"no kind of Kubernetes: {error!r}", []).append(version)
    return [f"{text} ({', '.join(refusing)})" for text, refusing in by_text.items()]


def _said(error: Any) -> str:
    place = ".".join(str(part) for part in error.absolute_path if part is not None)
    message = str(error.message)[:MOST]
    return f"{place}: {message}" if place else message


if __name__ == "__main__":
    main()
