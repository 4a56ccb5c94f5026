"""Who may open connections: addresses that strangers name are called through the outbound guard and in no other way."""

import ast
from pathlib import Path

import pytest

from tests.structure.test_layout import OURS, PACKAGES, ROOT, calls

# each library that can call somebody, and the modules that may use it
CALLERS: dict[str, dict[str, str]] = {
    "httpcore": {
        "sink/http/exchange.py": "the guard: connections to checked addresses",
        "sink/http/proxy.py": "the guard: the way through a proxy",
        "sink/http/client.py": "the guard: its two clients",
        "sink/http/recording_body.py": "the guard: bodies of answers that it got",
    },
    "httpx": {
        "producers/client/async_client.py": "the client calls the service that its user names",
        "producers/client/sync_client.py": "the same",
        "producers/client/protocol/transports.py": "its requests",
        "producers/client/protocol/calls.py": "names of its types",
        "producers/client/protocol/answers.py": "the same, and its errors",
        "producers/client/operations/session.py": "names of its types",
        "producers/client/operations/recordings.py": "the same",
        "producers/client/operations/revisions.py": "the same",
        "producers/client/operations/webhooks.py": "the same",
        "producers/cli/clients/processes.py": "the command line asks the processes that its operator names",
        "sink/process/scale_in_protection.py": "the agent that ECS runs beside the task",
        "sink/records/kafka/tokens.py": "the token endpoint that the settings name",
        "sink/process/pod_deletion_cost.py": "the API server of the cluster that the process runs in",
    },
    "httpx2": {"sink/records/schema_registry.py": "the registry that the settings name"},
    "urllib3": {"sink/objects/s3.py": "names of errors of the store that the settings name"},
    "boto3": {"sink/objects/s3.py": "the store that the settings name"},
    "botocore": {
        "sink/objects/s3.py": "the same",
        "sink/records/kafka/tokens.py": "names of its errors where there are no credentials",
        "sink/objects/google.py": "the form of a signature; it calls nothing",
    },
    "huggingface_hub": {"gpu_consumers/engines/models/hub.py": "models of the registry file"},
    "socket": {
        "sink/http/exchange.py": "the guard: names are looked up here",
        "producers/api/http/server.py": "the socket that the shim listens on",
        "producers/api/__main__.py": "the name of its type",
        "producers/api/http/connections.py": "connections whose clients read nothing are reset",
        "sink/process/health_server.py": "callers that take too long are hung up on",
        "gpu_consumers/__main__.py": "the name of this machine",
        "sink/records/kafka/connection.py": "why the brokers that the settings name take no TLS",
    },
}
NOBODY = (
    *("requests", "aiohttp", "h11", "h2", "websockets", "pycurl", "ftplib", "smtplib", "telnetlib", "xmlrpc"),
    *("http.client", "urllib.request", "asyncio.streams"),
)
# the same in libraries that are imported for other things
CONNECTS = ("open_connection", "create_connection", "connect_tcp", "urlopen", "getaddrinfo", "gethostbyname")
CONNECTING = {
    "sink/http/exchange.py": "the guard",
    "sink/http/proxy.py": "the guard",
    "sink/records/kafka/connection.py": "the brokers that the settings name",
}

# of the one module that imports what others have declared
DEFERRED = "typer.core.TyperGroup"

PRODUCT = [path for path in OURS if path.relative_to(ROOT).parts[0] in PACKAGES]


def imported(tree: ast.AST) -> set[str]:
    """Every module that is imported, at the top or inside of functions."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    for name, call in calls(tree):
        if name.endswith("import_module") or name == "deferred_to":
            # what a deferred command is done by stands where it is declared
            given = call.args[0]
            assert is_ours(given) or isinstance(given, ast.Constant) or DEFERRED in found, (
                "what is imported must be readable here"
            )
            found |= {str(given.value)} if isinstance(given, ast.Constant) else set()
    return found


def is_ours(given: ast.expr) -> bool:
    """Whether a name of a module is put together below a package of ours."""
    first = given.values[0] if isinstance(given, ast.JoinedStr) else None
    return isinstance(first, ast.Constant) and str(first.value).split(".")[0] in PACKAGES and "." in str(first.value)


def holds(modules: set[str], library: str) -> bool:
    return any(name == library or name.startswith(f"{library}.") for name in modules)


@pytest.mark.parametrize("path", PRODUCT, ids=lambda path: str(path.relative_to(ROOT)))
def test_nothing_is_called_past_the_guard(path: Path) -> None:
    name, tree = str(path.relative_to(ROOT)), ast.parse(path.read_text())
    modules = imported(tree)
    for library, callers in CALLERS.items():
        assert name in callers or not holds(modules, library), f"{library} is used by {', '.join(callers)} only"
    for library in NOBODY:
        assert not holds(modules, library), f"nobody uses {library}"
    connecting = {called for called, _ in calls(tree) if called.rpartition(".")[2] in CONNECTS}
    assert name in CONNECTING or not connecting, f"{connecting}: calls go through sink.http.client"


def test_every_exception_is_one() -> None:
    """A module that stopped calling must not keep its leave."""
    for library, callers in CALLERS.items():
        for name in callers:
            assert holds(imported(ast.parse((ROOT / name).read_text())), library), f"{name} uses no {library}"
    for name in CONNECTING:
        found = {called.rpartition(".")[2] for called, _ in calls(ast.parse((ROOT / name).read_text()))}
        assert found & set(CONNECTS), name
