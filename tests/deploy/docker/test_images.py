"""What can be known of the images without building them; deploy/check builds and runs them."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.docker import healthcheck
from deploy.docker.sbom import described, locked_for_image
from deploy.environment import REQUIREMENTS, ROOT
from deploy.local.ports import choose
from deploy.locks import ROLES
from schemas.settings.service import ServiceSettings
from sink.process.health_server import HealthServer
from tests.deploy.local.services import SCRIPTS

FOLDER = ROOT / "deploy" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def names(lock: str) -> list[str]:
    return re.findall(r"^([\w.-]+)==", lock, re.MULTILINE)


def test_there_is_an_image_for_each_lock() -> None:
    targets = re.findall(r"^FROM runtime AS (\w+)$", DOCKERFILE, re.MULTILINE)
    assert sorted(targets) == sorted(ROLES)


def test_the_base_is_pinned_by_digest() -> None:
    assert re.search(r"^ARG BASE=[\w./-]+:[\w.-]+@sha256:[0-9a-f]{64}$", DOCKERFILE, re.MULTILINE)
    assert set(re.findall(r"^FROM (\$\{BASE\}|[\w-]+)", DOCKERFILE, re.MULTILINE)) <= {
        "${BASE}",
        *re.findall(r" AS ([\w-]+)$", DOCKERFILE, re.MULTILINE),
    }


def test_pytorch_and_cuda_are_a_layer_of_their_own_and_nothing_is_left_out(tmp_path: Path) -> None:
    """The lists are made by the very program of the Dockerfile."""
    program = re.search(r"^    '(/\^\[a-z0-9\]/ .*)' \\$", DOCKERFILE, re.MULTILINE)
    assert program
    cuda, rest = tmp_path / "cuda.txt", tmp_path / "rest.txt"
    lock = REQUIREMENTS / "gpu.txt"
    subprocess.run(["awk", "-v", f"heavy={cuda}", "-v", f"rest={rest}", program[1], str(lock)], check=True)
    assert sorted(cuda.read_text().splitlines() + rest.read_text().splitlines()) == sorted(
        lock.read_text().splitlines()
    )
    assert {"torch", "triton", "nvidia-cublas", "nvidia-cublas-cu12"} <= set(names(cuda.read_text()))
    assert not [name for name in names(rest.read_text()) if name.startswith("nvidia")]


def test_heavy_layers_come_before_our_code() -> None:
    layers = re.findall(r"^COPY --from=([\w-]+)", DOCKERFILE.partition("FROM runtime AS gpu")[2], re.MULTILINE)
    assert layers == ["cuda-packages", "gpu-packages", "models", "code"]


def test_commands_of_images_exist() -> None:
    started = re.findall(r'^CMD \["([\w-]+)"', DOCKERFILE, re.MULTILINE)
    assert set(started) <= set(SCRIPTS.values())


def test_the_context_is_an_allow_list() -> None:
    """Everything is left out first, and what comes back is there."""
    lines = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert lines[0] == "*"
    assert [line for line in lines if line.startswith("!") and not (ROOT / line[1:]).exists()] == []


def test_a_bill_names_what_linux_installs() -> None:
    lock = (
        "one==1.0 \\\n    --hash=sha256:aa\n"
        "two==2.0 ; sys_platform == 'win32' \\\n    --hash=sha256:bb\n"
        "three==3.0 ; platform_machine == 'x86_64' and sys_platform == 'linux' \\\n    --hash=sha256:cc\n"
    )
    assert locked_for_image(lock) == "one==1.0 \\\n    --hash=sha256:aa\nthree==3.0 \\\n    --hash=sha256:cc\n"


@pytest.mark.parametrize("role", ROLES)
def test_a_bill_has_every_package_and_hash(role: str) -> None:
    lock = (REQUIREMENTS / f"{role}.txt").read_text()
    kept = locked_for_image(lock)
    assert " ; " not in kept
    conditions = dict(re.findall(r"^([\w.-]+)==\S+ ; (.+?) \\$", lock, re.MULTILINE))
    left_out = set(names(lock)) - set(names(kept))
    assert all("linux" not in conditions[name] for name in left_out)
    assert all("--hash=" in entry for entry in re.split(r"\n(?=\S)", kept.strip()))


def test_the_bill_is_of_this_project() -> None:
    assert 'name = "scribe-rabbit"' in described()


def ask(path: str, port: int | None, free: int) -> tuple[int, str]:
    """Exit code and words of the check; nobody listens on the port of REST."""
    environment = {"SCRIBE_API_PORT": str(free), "SCRIBE_METRICS_PORT": str(port or free)}
    done = subprocess.run(
        [sys.executable, "-I", str(FOLDER / "healthcheck.py"), path],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout.strip()


def test_a_container_is_well_when_its_process_says_so() -> None:
    """The first port that somebody listens on is asked; nobody there is not well either."""
    free = choose(["free"], {}, {})["free"]
    settings = ServiceSettings(metrics_port=0)
    with HealthServer(settings, ready=lambda: "Kafka is away") as server:
        assert ask("/livez", server.port, free) == (0, "/livez: 200 ok")
        assert ask("/readyz", server.port, free) == (1, "/readyz: 503 Kafka is away")
    assert ask("/livez", None, free) == (1, "/livez: nobody listens")


def test_the_check_of_health_needs_nothing_but_python() -> None:
    """It starts every few seconds."""
    assert healthcheck.SECONDS < 10
    imported = re.findall(r"^(?:import|from) ([\w.]+)", (FOLDER / "healthcheck.py").read_text(), re.MULTILINE)
    assert all(name.partition(".")[0] in sys.stdlib_module_names for name in imported)
