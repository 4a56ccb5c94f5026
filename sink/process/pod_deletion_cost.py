"""The deletion cost of a Kubernetes pod, kept by its process: a scale-in ends pods without work first.

A ReplicaSet that shrinks takes the pods of lowest `controller.kubernetes.io/pod-deletion-cost` first. The process writes
into its own pod how many jobs it has in work, with the service account of the pod, a thread of its own, and rarely, for
every write is one of the API server's. A write that fails costs nothing but the preference.
"""

import json
import logging
import ssl
import threading
import time
from collections.abc import Callable
from types import TracebackType

import httpx

from schemas.errors import SettingsError
from schemas.settings.gpu import KubernetesSettings

log = logging.getLogger(__name__)
ANNOTATION = "controller.kubernetes.io/pod-deletion-cost"
WRITE_SECONDS = 10.0  # from one write to the next at least
LOOKS = 20  # from one write to the next
CALL_SECONDS = 5.0


class DeletionCost:
    """The cost that is to be written: the most jobs in work since the last write, so that short ones show too."""

    def __init__(self, seconds: float = WRITE_SECONDS) -> None:
        """Create it with nothing written; `seconds` lie between two writes."""
        self._seconds = seconds
        self._written: int | None = None
        self._next = float("-inf")
        self._most = 0

    def due(self, now: float, jobs: int) -> int | None:
        """The cost to write now, None when none is due; `now` is in monotonic seconds."""
        self._most = max(self._most, jobs)
        if now < self._next:
            return None
        most, self._most = self._most, jobs
        self._next = now + self._seconds
        return None if most == self._written else most

    def wrote(self, cost: int) -> None:
        """Note a write that succeeded; one that did not is due again."""
        self._written = cost


class PodDeletionCost:
    """Keeps the cost of the process's pod while it is entered; does nothing when the settings name no pod."""

    def __init__(
        self, settings: KubernetesSettings, jobs_in_work: Callable[[], int], *, write_seconds: float = WRITE_SECONDS
    ) -> None:
        """Prepare it; `jobs_in_work` is called from a thread of its own."""
        self._settings = settings
        self._jobs_in_work = jobs_in_work
        self._cost, self._look_seconds = DeletionCost(write_seconds), write_seconds / LOOKS
        self._stop = threading.Event()
        self._trouble: str | None = None
        self._pod = ""

    def __enter__(self) -> "PodDeletionCost":
        """Begin; raises SettingsError when the pod has no service account to write with."""
        if self._settings.pod_name is not None:
            client = self._client()
            threading.Thread(target=self._keep, args=(client,), name="pod-deletion-cost", daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write no more."""
        self._stop.set()

    def _client(self) -> httpx.Client:
        account = self._settings.kubernetes_account
        try:
            namespace = (account / "namespace").read_text().strip()
            (account / "token").read_text()
            trusted = ssl.create_default_context(cafile=str(account / "ca.crt"))
        except (OSError, ssl.SSLError) as error:
            raise SettingsError(
                f"SCRIBE_POD_NAME: {account} has no service account of a pod ({error}): mount its token, or unset the name"
            ) from error
        server = self._settings.kubernetes_url.rstrip("/")
        self._pod = f"{server}/api/v1/namespaces/{namespace}/pods/{self._settings.pod_name}"
        return httpx.Client(verify=trusted, timeout=CALL_SECONDS, trust_env=False)

    def _keep(self, client: httpx.Client) -> None:
        with client:
            while not self._stop.wait(self._look_seconds):
                cost = self._cost.due(time.monotonic(), self._jobs_in_work())
                if cost is not None:
                    self._write(client, cost)

    def _write(self, client: httpx.Client, cost: int) -> None:
        try:
            # the platform replaces the token about every hour
            token = (self._settings.kubernetes_account / "token").read_text().strip()
            answer = client.patch(
                self._pod,
                content=json.dumps({"metadata": {"annotations": {ANNOTATION: str(cost)}}}),
                headers={"Authorization": f"Bearer {token}", "Content-Type": "application/merge-patch+json"},
            )
        except (OSError, httpx.HTTPError) as error:
            return self._note(f"{type(error).__name__}: {error}")
        if not answer.is_success:
            return self._note(_refusal(answer))
        self._note(None)
        self._cost.wrote(cost)
        return None

    def _note(self, trouble: str | None) -> None:
        """Log a trouble once, and its end."""
        if trouble is not None and trouble != self._trouble:
            log.warning("the deletion cost of this pod cannot be written, a scale-in may end it in work: %s", trouble)
        elif trouble is None and self._trouble is not None:
            log.info("the deletion cost of this pod is written again")
        self._trouble = trouble


def _refusal(answer: httpx.Response) -> str:
    """The API server's own words."""
    try:
        message = str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        message = answer.reason_phrase
    return f"{answer.status_code} {message[:500]}"
