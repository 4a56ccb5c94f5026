"""Mistakes that are planted into a copy of the manifests, one at a time: each must be found, or the checks are blind to its kind."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from deploy.checks.kubernetes.findings import findings
from deploy.checks.kubernetes.manifests import Manifest, NotRendered, Variant, copied, rendered

_EKS = Variant("eks")


@dataclass(frozen=True, slots=True)
class ManifestTypo:
    """A mistake: in a file below deploy/kubernetes, the first `right` becomes `wrong`; `variant` shows it."""

    file: str
    right: str
    wrong: str
    variant: Variant = _EKS

    @property
    def name(self) -> str:
        """The file, the mistake and the right text."""
        return f"{self.file}: {self.wrong.strip()!r} for {self.right.strip()!r}"


_LAG = Variant("eks", (("keda", "keda-lag"),))
_LOCAL = Variant("local")
_GKE = Variant("gke")
TYPOS: tuple[ManifestTypo, ...] = (
    # names of fields, words and types that Kubernetes does not know
    ManifestTypo("base/patches/every-pod.yaml", "readOnlyRootFilesystem", "readonlyRootFilesystem"),
    ManifestTypo("base/patches/every-pod.yaml", "securityContext:", "securtyContext:"),
    ManifestTypo(
        "base/patches/lasting.yaml", "whenUnsatisfiable: ScheduleAnyway", "whenUnsatisfiable: ScheduleAnyways"
    ),
    ManifestTypo("base/workloads/persist.yaml", "podManagementPolicy", "podManagmentPolicy"),
    ManifestTypo("base/workloads/api.yaml", "replicas: 2", 'replicas: "2"'),
    ManifestTypo("base/jobs/topics.yaml", "restartPolicy: OnFailure", "restartPolicy: Always"),
    ManifestTypo("base/network.yaml", "policyTypes: [Ingress, Egress]", "policyType: [Ingress, Egress]"),
    ManifestTypo("base/disruption.yaml", "maxUnavailable: 1", "maxUnavalable: 1"),
    ManifestTypo("admission/own-pod.yaml", "validationActions: [Deny]", "validationAction: [Deny]"),
    ManifestTypo("overlays/gke/ingress.yaml", "pathType: Prefix", "pathtype: Prefix", _GKE),
    # of custom resources
    ManifestTypo("components/keda/scaled-object.yaml", "cooldownPeriod", "coolDownPeriod"),
    ManifestTypo("components/keda/scaled-object.yaml", "type: prometheus", "type: promtheus"),
    ManifestTypo("components/keda-lag/scaled-object.yaml", "consumerGroup:", "consumergroup:", _LAG),
    ManifestTypo("components/monitoring/monitors.yaml", "podMetricsEndpoints", "podMetricEndpoints"),
    ManifestTypo("components/external-secrets/external-secrets.yaml", "secretStoreRef", "secretStoreref"),
    ManifestTypo("overlays/gke/secret-store.yaml", "projectID", "projectId", _GKE),
    # names that lead nowhere
    ManifestTypo("base/workloads/relay.yaml", "secretRef: {name: scribe-kafka}", "secretRef: {name: scribe-kafak}"),
    ManifestTypo(
        "base/workloads/dispatcher.yaml", "serviceAccountName: scribe-dispatcher", "serviceAccountName: scribe-dispatch"
    ),
    ManifestTypo(
        "base/disruption.yaml",
        "app.kubernetes.io/component: relay}\n---",
        "app.kubernetes.io/component: relays}\n---",
    ),
    ManifestTypo(
        "base/services.yaml",
        "app.kubernetes.io/component: api}\n  ports",
        "app.kubernetes.io/component: apis}\n  ports",
    ),
    ManifestTypo("base/patches/every-pod.yaml", "- {name: scratch, mountPath", "- {name: scrach, mountPath"),
    ManifestTypo(
        "base/patches/lasting.yaml", "httpGet: {path: /readyz, port: http}", "httpGet: {path: /readyz, port: https}"
    ),
    ManifestTypo(
        "components/keda/scaled-object.yaml",
        "kind: Deployment, name: scribe-gpu",
        "kind: Deployment, name: scribe-gpus",
    ),
    ManifestTypo("overlays/eks/kustomization.yaml", "components/gpus/eks/a10g", "components/gpus/eks/a10"),
    # what Kubernetes takes and what is wrong for us
    ManifestTypo("base/settings/gpu.env", "SCRIBE_DRAIN_SECONDS=", "SCRIBE_DRAIN_SECOND="),
    ManifestTypo("base/settings/postgres.env", "SCRIBE_POSTGRES_POOL_SIZE=", "SCRIBE_POSTGRES_DSN="),
    ManifestTypo(
        "base/workloads/enhance.yaml",
        "configMapRef: {name: scribe-postgres}",
        "configMapRef: {name: scribe-object-store}",
    ),
    ManifestTypo("base/workloads/webhooks.yaml", '"scribe-streams", "webhooks"', '"scribe-streams", "webhook"'),
    ManifestTypo("base/workloads/retention.yaml", "image: scribe-rabbit-streams", "image: scribe-rabbit-api"),
    ManifestTypo("base/patches/lasting.yaml", "path: /readyz", "path: /ready"),
    ManifestTypo("base/workloads/gpu.yaml", "terminationGracePeriodSeconds: 300", "terminationGracePeriodSeconds: 30"),
    ManifestTypo(
        "base/workloads/persist.yaml", "egress.scribe-rabbit/kafka: allow", "egress.scribe-rabbit/kakfa: allow"
    ),
    ManifestTypo("base/patches/every-pod.yaml", "enableServiceLinks: false", "enableServiceLinks: true"),
    ManifestTypo("base/patches/every-pod.yaml", "runAsNonRoot: true", "runAsNonRoot: false"),
    ManifestTypo("base/patches/every-pod.yaml", "drop: [ALL]", "drop: [All]"),
    ManifestTypo("components/keda/scaled-object.yaml", "audio_pending_seconds", "audio_pending_second"),
    ManifestTypo("components/keda/scaled-object.yaml", "maxReplicaCount: 12", "maxReplicaCount: 120"),
    ManifestTypo(
        "components/keda-lag/scaled-object.yaml", 'excludePersistentLag: "false"', 'excludePersistentLag: "true"', _LAG
    ),
    ManifestTypo("overlays/local/kustomization.yaml", "SCRIBE_S3_ENDPOINT=", "SCRIBE_S3_ENDPIONT=", _LOCAL),
    ManifestTypo("overlays/local/kustomization.yaml", "SCRIBE_POSTGRES_READ_DSN=", "SCRIBE_POSTGRES_READ_DNS=", _LOCAL),
)

Mistakes = Callable[[Mapping[str, list[Manifest]]], dict[str, list[str]]]


def unseen(mistakes: Mistakes) -> list[str]:
    """The planted mistakes that neither rendering, nor the schemas (`mistakes`), nor our rules find."""
    # our rules read only what the schemas take
    made = {typo.name: manifests for typo, manifests in planted() if manifests is not None}
    refused = mistakes(made)
    return [name for name, manifests in made.items() if not refused[name] and not findings(manifests)]


def planted() -> Iterator[tuple[ManifestTypo, list[Manifest] | None]]:
    """Each mistake with the manifests that it makes, None where they cannot be rendered; raises ValueError."""
    with copied() as folder:
        for typo in TYPOS:
            path = folder / typo.file
            text = path.read_text()
            _plant(path, text, typo)
            try:
                yield typo, rendered(typo.variant, folder)
            except NotRendered:
                yield typo, None
            finally:
                path.write_text(text)


def _plant(path: Path, text: str, typo: ManifestTypo) -> None:
    if typo.right not in text:
        raise ValueError(f"{typo.file} has no {typo.right!r} any more: mend deploy/checks/kubernetes/typos.py")
    path.write_text(text.replace(typo.right, typo.wrong, 1))
