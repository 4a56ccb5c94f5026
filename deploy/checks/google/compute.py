"""Rules of processes and machines: Cloud Run, GKE and its GPU pools."""

from collections.abc import Iterator

from deploy.checks.google.modules import Module, Tree
from deploy.checks.google.properties import GIVEN, Property, every, variables

API, WORKERS = "modules/api/main.tf", "modules/workers/main.tf"
CLUSTER, GPUS = "modules/cluster/main.tf", "modules/cluster/gpus.tf"
SERVICE, GKE, POOL = "google_cloud_run_v2_service", "google_container_cluster", "google_container_node_pool"
WORKER_POOL = "google_cloud_run_v2_worker_pool"


def gpus_fit(tree: Tree) -> Iterator[str]:
    """Kinds of GPU are T4, L4 and A100, and a node pool has one GPU a node."""
    gpus = tree.modules["modules/cluster"]
    kinds = next(block.value("gpus") for _, block in gpus.blocks("locals") if "gpus" in block.attributes)
    wanted = {"nvidia-tesla-t4", "nvidia-l4", "nvidia-tesla-a100"}
    if {each["accelerator"] for each in kinds.values()} != wanted:
        yield f"{kinds}"
    yield from every("google_container_node_pool", "node_config", "guest_accelerator", count=1)(_gpu_pools(tree))


def from_zero(tree: Tree) -> Iterator[str]:
    """GPU nodes are made and unmade with the work."""
    pools = _gpu_pools(tree)
    yield from every(
        "google_container_node_pool", "autoscaling", total_min_node_count=GIVEN, total_max_node_count=GIVEN
    )(pools)
    if "optional(number, 0)" not in tree.modules["modules/cluster"].variables["gpu_pools"].attributes["type"].text:
        yield "a pool has nodes when nobody said so"


def _gpu_pools(tree: Tree) -> Tree:
    cluster = tree.modules["modules/cluster"]
    return Tree({cluster.path: Module(cluster.path, {"gpus.tf": cluster.files["gpus.tf"]})})


def spot_is_tainted(tree: Tree) -> Iterator[str]:
    """Only what asks for it lands on a machine that may go at any time."""
    for block in _gpu_pools(tree).resources("google_container_node_pool"):
        taints = block.inner("node_config", "taint")
        if "spot" in block.inner("node_config")[0].attributes and not any(
            each.value("key") == "cloud.google.com/gke-spot" and each.value("effect") == "NO_SCHEDULE"
            for each in taints
        ):
            yield block.labels[1]


def by_digest(tree: Tree) -> Iterator[str]:
    """Images come from variables that refuse tags."""
    yield from variables("api", "image", "@sha256:")(tree)
    yield from variables("workers", "images", "@sha256:")(tree)
    for block in tree.resources():
        for each in block.walk():
            if isinstance(each.value("image"), str):
                yield f"{'.'.join(block.labels)}: {each.value('image')}"


def control_plane_logs(tree: Tree) -> Iterator[str]:
    """The control plane's doings are in Cloud Logging."""
    for block in tree.resources(GKE):
        parts = [part for each in block.inner("logging_config") for part in each.value("enable_components") or ()]
        if "APISERVER" not in parts:
            yield f"{block.labels[1]}: {parts}"


def no_plain_secret(tree: Tree) -> Iterator[str]:
    """A variable of the environment has a value from settings or from Secret Manager, none that stands here."""
    for block in tree.resources():
        for each in block.walk():
            if each.type == "env" and not each.generator:
                yield ".".join(block.labels)


# fmt: off
PROPERTIES: tuple[Property, ...] = (
    Property("images of the shim are named by digest", by_digest, "modules/api/variables.tf", "@sha256:[0-9a-f]{64}$", ".*"),
    Property("images of workers too", by_digest, "modules/workers/variables.tf", "@sha256:[0-9a-f]{64}$", ".*"),
    Property("no image stands in a module", by_digest, WORKERS, "var.images[var.processes[each.key].image]", '"scribe/api:latest"'),
    Property("no setting stands in a module", no_plain_secret, WORKERS, "      volume_mounts {", '      env {\n        name  = "SCRIBE_S3_SECRET_KEY"\n        value = "x"\n      }\n      volume_mounts {'),
    Property("the shim talks through our network", every(SERVICE, "template", "vpc_access", egress="ALL_TRAFFIC"), API, '"ALL_TRAFFIC"', '"PRIVATE_RANGES_ONLY"'),
    Property("so do workers", every(WORKER_POOL, "template", "vpc_access", egress="ALL_TRAFFIC"), WORKERS, '"ALL_TRAFFIC"', '"PRIVATE_RANGES_ONLY"'),
    Property("the shim has probes", every(SERVICE, "template", "containers", "liveness_probe", "http_get", path="/livez"), API, 'failure_threshold = 6\n        http_get {\n          path = "/livez"', 'failure_threshold = 6\n        http_get {\n          path = "/"'),
    Property("the shim keeps working between requests", every(SERVICE, "template", "containers", "resources", cpu_idle=False), API, "cpu_idle          = false", "cpu_idle          = true"),
    Property("the shim is not deleted by mistake", every(SERVICE, deletion_protection=True), API, "deletion_protection = true", "deletion_protection = false"),
    Property("workers are never at zero", variables("workers", "pools", "pool.instances >= 1"), "modules/workers/variables.tf", "pool.instances >= 1", "pool.instances >= 0"),
    Property("GPU processes do not run on Cloud Run", variables("workers", "pools", '"retention"]'), "modules/workers/variables.tf", '"dispatcher", "retention"]', '"dispatcher", "retention", "gpu"]'),
    Property("nodes are private", every(GKE, "private_cluster_config", enable_private_nodes=True), CLUSTER, "enable_private_nodes    = true", "enable_private_nodes    = false"),
    Property("pods have identities", every(GKE, "workload_identity_config", workload_pool=GIVEN), CLUSTER, '    workload_pool = "${var.project}.svc.id.goog"\n', ""),
    Property("pods cannot become their machine", every(POOL, "node_config", "workload_metadata_config", mode="GKE_METADATA"), GPUS, '"GKE_METADATA"', '"GCE_METADATA"'),
    Property("network policies are enforced", every(GKE, datapath_provider="ADVANCED_DATAPATH"), CLUSTER, '"ADVANCED_DATAPATH"', '"LEGACY_DATAPATH"'),
    Property("machines start what was signed", every(POOL, "node_config", "shielded_instance_config", enable_secure_boot=True), GPUS, "enable_secure_boot          = true", "enable_secure_boot          = false"),
    Property("only allowed images run", every(GKE, "binary_authorization", evaluation_mode="PROJECT_SINGLETON_POLICY_ENFORCE"), CLUSTER, '"PROJECT_SINGLETON_POLICY_ENFORCE"', '"DISABLED"'),
    Property("the cluster is patched", every(GKE, "release_channel", channel="REGULAR"), CLUSTER, '"REGULAR"', '"UNSPECIFIED"'),
    Property("machines are mended and patched", every(POOL, "management", auto_repair=True, auto_upgrade=True), GPUS, "auto_repair  = true", "auto_repair  = false"),
    Property("an upgrade takes no machine before there is another", every(POOL, "upgrade_settings", max_unavailable=0), GPUS, "max_unavailable = 0", "max_unavailable = 1"),
    Property("Kubernetes' own log is kept", control_plane_logs, CLUSTER, '"WORKLOADS", "APISERVER"', '"WORKLOADS"'),
    Property("Google's Prometheus reads our metrics", every(GKE, "monitoring_config", "managed_prometheus", enabled=True), CLUSTER, "    managed_prometheus {\n      enabled = true", "    managed_prometheus {\n      enabled = false"),
    Property("the cluster is not deleted by mistake", every(GKE, deletion_protection=True), CLUSTER, "deletion_protection = true", "deletion_protection = false"),
    Property("GPUs are T4, L4 and A100, one a node", gpus_fit, GPUS, '"nvidia-tesla-t4"', '"nvidia-tesla-k80"'),
    Property("GPU nodes come and go with the work", from_zero, "modules/cluster/variables.tf", "optional(number, 0)", "optional(number, 1)"),
    Property("only what asks for it lands on spot machines", spot_is_tainted, GPUS, '"NO_SCHEDULE"', '"PREFER_NO_SCHEDULE"'),
    Property("there are no more GPU nodes than partitions", variables("cluster", "gpu_pools", "most_partitions"), "modules/cluster/variables.tf", "<= var.most_partitions", "<= 1000"),
)
# fmt: on
