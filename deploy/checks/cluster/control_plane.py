"""The control plane of a cluster: etcd, API server, scheduler and controller manager on loopback, KWOK for its nodes."""

import json
import ssl
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import trustme
import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deploy.checks.cluster.building import stages
from deploy.local import process
from deploy.local.ports import HOST, choose, is_open

TOKEN = "administrator"  # noqa: S105 - of an API server on loopback that lives for a minute
START_SECONDS = 120


class KubectlFailed(Exception):
    """kubectl failed; the message is its own."""


class ControlPlane:
    """A cluster without machines while it is entered; everything lies below one folder."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._programs = programs
        self._folder = folder
        self._ports = choose(("etcd", "peer", "api", "scheduler", "controllers", "kwok"), {}, {})
        self._ending = ExitStack()
        self.kubeconfig = folder / "kubeconfig"
        self.authority = folder / "ca.crt"

    @property
    def url(self) -> str:
        """The address of the API server."""
        return f"https://{HOST}:{self._ports['api']}"

    def __enter__(self) -> Self:
        """Start everything; raises StartFailed."""
        with ExitStack() as starting:
            starting.callback(self._ending.close)
            self._write()
            self._start("etcd", self._etcd(), lambda: is_open(self._ports["etcd"]))
            self._start("kube-apiserver", self._api_server(), self._answers)
            self._start("kube-controller-manager", self._controllers(), lambda: is_open(self._ports["controllers"]))
            self._start("kube-scheduler", self._scheduler(), lambda: is_open(self._ports["scheduler"]))
            self._start("kwok", self._kwok(), lambda: is_open(self._ports["kwok"]))
            starting.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything."""
        self._ending.close()

    def kubectl(self, *arguments: str, given: str | None = None) -> tuple[str, str]:
        """Run kubectl and return both its outputs; raises KubectlFailed."""
        command = ["kubectl", "--kubeconfig", str(self.kubeconfig), *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, check=False)
        if done.returncode:
            raise KubectlFailed(done.stderr.strip())
        return done.stdout, done.stderr

    def read(self, *arguments: str) -> Any:
        """The objects that `kubectl get` finds, as JSON; raises KubectlFailed."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json")[0])

    def account(self, name: str, namespace: str, pod: str) -> Path:
        """A folder as a pod with an account has it, with a token bound to that pod; raises KubectlFailed."""
        folder = self._folder / "account"
        folder.mkdir(exist_ok=True)
        bound = ("--bound-object-kind", "Pod", "--bound-object-name", pod)
        token, _ = self.kubectl("create", "token", name, "--namespace", namespace, *bound)
        (folder / "token").write_text(token)
        (folder / "namespace").write_text(namespace)
        (folder / "ca.crt").write_bytes(self.authority.read_bytes())
        return folder

    def patch_pod(self, account: Path, namespace: str, pod: str, patch: Mapping[str, Any]) -> int:
        """The status of a patch of a pod that an account tries."""
        answer = httpx.patch(
            f"{self.url}/api/v1/namespaces/{namespace}/pods/{pod}",
            content=json.dumps(patch),
            verify=ssl.create_default_context(cafile=str(self.authority)),
            headers=_bearer((account / "token").read_text()) | {"Content-Type": "application/merge-patch+json"},
            trust_env=False,
        )
        return answer.status_code

    def _start(self, name: str, command: Sequence[str], ready: Callable[[], bool]) -> None:
        log = self._folder / f"{name}.log"
        identity = process.start(command, log, cwd=self._folder)
        self._ending.callback(process.stop, identity)
        process.wait_until(ready, identity, name, log, START_SECONDS)

    def _answers(self) -> bool:
        try:
            trusted = ssl.create_default_context(cafile=str(self.authority))
            answer = httpx.get(f"{self.url}/readyz", verify=trusted, headers=_bearer(TOKEN), trust_env=False)
        except httpx.HTTPError:
            return False
        return answer.is_success

    def _write(self) -> None:
        """Certificates, keys, tokens and the configuration of clients."""
        authority = trustme.CA()
        certificate = authority.issue_cert(HOST, "localhost", "kubernetes.default.svc")
        authority.cert_pem.write_to_path(str(self.authority))
        certificate.private_key_pem.write_to_path(self._path("server.key"))
        for number, part in enumerate(certificate.cert_chain_pems):
            part.write_to_path(self._path("server.crt"), append=number > 0)
        key = rsa.generate_private_key(public_exponent=65_537, key_size=2048)
        form, no_password = serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
        (self._folder / "accounts.key").write_bytes(key.private_bytes(serialization.Encoding.PEM, form, no_password))
        (self._folder / "tokens.csv").write_text(f"{TOKEN},administrator,administrator,system:masters\n")
        cluster = {"server": self.url, "certificate-authority": str(self.authority)}
        self.kubeconfig.write_text(
            yaml.safe_dump(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "current-context": "cluster",
                    "clusters": [{"name": "cluster", "cluster": cluster}],
                    "users": [{"name": "administrator", "user": {"token": TOKEN}}],
                    "contexts": [{"name": "cluster", "context": {"cluster": "cluster", "user": "administrator"}}],
                }
            )
        )

    def _path(self, name: str) -> str:
        return str(self._folder / name)

    def _etcd(self) -> list[str]:
        clients, peers = (f"http://{HOST}:{self._ports[name]}" for name in ("etcd", "peer"))
        return [
            str(self._programs / "server"),
            f"--data-dir={self._path('etcd')}",
            f"--listen-client-urls={clients}",
            f"--advertise-client-urls={clients}",
            f"--listen-peer-urls={peers}",
            f"--initial-advertise-peer-urls={peers}",
            f"--initial-cluster=default={peers}",
            "--unsafe-no-fsync",
        ]

    def _api_server(self) -> list[str]:
        return [
            str(self._programs / "kube-apiserver"),
            f"--etcd-servers=http://{HOST}:{self._ports['etcd']}",
            f"--bind-address={HOST}",
            f"--advertise-address={HOST}",
            f"--secure-port={self._ports['api']}",
            f"--tls-cert-file={self._path('server.crt')}",
            f"--tls-private-key-file={self._path('server.key')}",
            f"--token-auth-file={self._path('tokens.csv')}",
            f"--service-account-key-file={self._path('accounts.key')}",
            f"--service-account-signing-key-file={self._path('accounts.key')}",
            "--service-account-issuer=https://kubernetes.default.svc",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--authorization-mode=RBAC",
            "--endpoint-reconciler-type=none",
        ]

    def _controllers(self) -> list[str]:
        return [
            str(self._programs / "kube-controller-manager"),
            f"--kubeconfig={self.kubeconfig}",
            f"--bind-address={HOST}",
            f"--secure-port={self._ports['controllers']}",
            f"--cert-dir={self._path('controllers')}",
            f"--service-account-private-key-file={self._path('accounts.key')}",
            f"--root-ca-file={self.authority}",
            "--leader-elect=false",
        ]

    def _scheduler(self) -> list[str]:
        return [
            str(self._programs / "kube-scheduler"),
            f"--kubeconfig={self.kubeconfig}",
            f"--bind-address={HOST}",
            f"--secure-port={self._ports['scheduler']}",
            f"--cert-dir={self._path('scheduler')}",
            "--leader-elect=false",
        ]

    def _kwok(self) -> list[str]:
        return [
            str(self._programs / "kwok"),
            f"--kubeconfig={self.kubeconfig}",
            "--manage-all-nodes=true",
            f"--server-address={HOST}:{self._ports['kwok']}",
            "--node-lease-duration-seconds=40",
            *(f"--config={path}" for path in stages()),
        ]


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token.strip()}"}
