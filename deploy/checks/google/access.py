"""Rules of rights and reach: IAM, network, balancer and the Kubernetes control plane."""

from collections.abc import Iterator

from deploy.checks.google.modules import Tree
from deploy.checks.google.properties import GIVEN, Property, every, none_of, variables
from deploy.checks.hcl.blocks import Attribute, Block

API, BALANCER, CLUSTER = "modules/api/main.tf", "modules/api/balancer.tf", "modules/cluster/main.tf"
IDENTITY, NETWORK = "modules/identity/main.tf", "modules/network/main.tf"
SERVICE = "google_cloud_run_v2_service"
GKE = "google_container_cluster"
_BROAD = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
_EVERYBODY = ("allUsers", "allAuthenticatedUsers")
_OF_PROJECT = frozenset(
    {
        *("roles/logging.logWriter", "roles/monitoring.metricWriter", "roles/monitoring.viewer"),
        *("roles/cloudtrace.agent", "roles/managedkafka.client", "roles/stackdriver.resourceMetadata.writer"),
    }
)
"""The only roles that an account has on the whole project: none of them reads or changes data of ours."""


def _texts(block: Block) -> Iterator[str]:
    return (attribute.text for attribute in block.expressions())


def _named_roles(tree: Tree) -> Iterator[tuple[str, str]]:
    """Every role that stands anywhere in a module, with its file."""
    for module in tree.modules.values():
        for kind in ("resource", "locals"):
            for file, block in module.blocks(kind):
                for attribute in block.expressions():
                    yield from ((file, role) for role in _roles_in(attribute))


def _roles_in(attribute: Attribute) -> list[str]:
    return [part for part in attribute.text.split('"') if part.startswith("roles/")]


def no_broad_role(tree: Tree) -> Iterator[str]:
    """No role of a whole project's owner, editor or viewer, and no admin."""
    for file, role in _named_roles(tree):
        if role in _BROAD or role.lower().endswith("admin"):
            yield f"{file}: {role}"


def project_roles(tree: Tree) -> Iterator[str]:
    """On the project only roles that write logs, metrics and traces, and connect to Kafka."""
    identity = tree.modules["modules/identity"]
    found = [role for file, role in _named_roles(tree) if file.startswith("modules/identity")]
    on_accounts = {str(block.value("role")) for block in identity.resources("google_service_account_iam_member")}
    yield from (f"{role} on the project" for role in found if role not in _OF_PROJECT | on_accounts)
    for block in tree.resources("google_project_iam_binding", "google_project_iam_policy"):
        yield f"{'.'.join(block.labels)} takes roles from others"


def nobody_is_everybody(tree: Tree) -> Iterator[str]:
    """All the world may call the shim through its balancer, and is named nowhere else."""
    for module in tree.modules.values():
        for resource in module.resources():
            named = any(each in text for text in _texts(resource) for each in _EVERYBODY)
            if named and resource.labels[0] != "google_cloud_run_v2_service_iam_member":
                yield f"{module.path}: {'.'.join(resource.labels)}"


def ingress_is_denied(tree: Tree) -> Iterator[str]:
    """No firewall rule lets the internet in, and one denies what no other allows."""
    rules = tree.resources("google_compute_firewall")
    for rule in rules:
        ranges = rule.value("source_ranges") or []
        if rule.inner("allow") and any(_is_world(each) for each in ranges):
            yield f"{rule.labels[1]} lets {ranges} in"
        if not rule.inner("log_config"):
            yield f"{rule.labels[1]} logs nothing"
    if not any(rule.inner("deny") and rule.value("source_ranges") == ["0.0.0.0/0"] for rule in rules):
        yield "nothing denies what is not allowed"


def pods_take_their_own(tree: Tree) -> Iterator[str]:
    """A workload identity is one account of one namespace, as a variable that refuses wildcards names it."""
    for block in tree.resources("google_service_account_iam_member"):
        member = block.attributes["member"].text
        if block.value("role") == "roles/iam.workloadIdentityUser" and not member.endswith('[${each.value}]"'):
            yield f"{block.labels[1]}: {member}"
    yield from variables("identity", "kubernetes_accounts", "^[a-z0-9-]+/[a-z0-9-]+$")(tree)


def own_account(tree: Tree) -> Iterator[str]:
    """Nothing runs as the project's default account, which may do everything."""
    places = {
        "google_cloud_run_v2_service": ("template",),
        "google_cloud_run_v2_worker_pool": ("template",),
        "google_cloud_run_v2_job": ("template", "template"),
        "google_container_node_pool": ("node_config",),
    }
    for kind, path in places.items():
        yield from every(kind, *path, service_account=GIVEN)(tree)


def _is_world(value: object) -> bool:
    return not isinstance(value, str) or value.endswith("/0")


def only_balancer_redirects(tree: Tree) -> Iterator[str]:
    """Plain HTTP is answered with the way to HTTPS, and nothing else."""
    balancer = tree.file(BALANCER).blocks
    maps = {block.labels[1]: block for block in balancer if block.labels[0] == "google_compute_url_map"}
    for proxy in (block for block in balancer if block.labels[0] == "google_compute_target_http_proxy"):
        target = maps[proxy.attributes["url_map"].text.split(".")[1]]
        if not any(each.value("https_redirect") is True for each in target.inner("default_url_redirect")):
            yield f"{proxy.labels[1]} serves {target.labels[1]}"


def clients_have_a_limit(tree: Tree) -> Iterator[str]:
    """Each address has a share of requests, refused with 429."""
    for policy in tree.resources("google_compute_security_policy"):
        limits = policy.inner("rule", "rate_limit_options")
        if not any(each.value("exceed_action") == "deny(429)" for each in limits):
            yield policy.labels[1]


def metrics_are_ours(tree: Tree) -> Iterator[str]:
    """Clients do not read /metrics."""
    for policy in tree.resources("google_compute_security_policy"):
        denied = [rule for rule in policy.inner("rule") if str(rule.value("action")).startswith("deny")]
        if not any(
            "/metrics" in str(each.value("expression")) for rule in denied for each in rule.inner("match", "expr")
        ):
            yield policy.labels[1]


def control_plane_is_private(tree: Tree) -> Iterator[str]:
    """The control plane has no address on the internet, and none of Google's own public ones may reach it."""
    yield from every(GKE, "private_cluster_config", enable_private_endpoint=True)(tree)
    yield from every(GKE, "master_authorized_networks_config", gcp_public_cidrs_access_enabled=False)(tree)


# fmt: off
PROPERTIES: tuple[Property, ...] = (
    Property("nobody is owner, editor or admin", no_broad_role, IDENTITY, '"roles/monitoring.viewer"', '"roles/owner"'),
    Property("nor an admin of one service", no_broad_role, "modules/objects/main.tf", '"roles/storage.objectUser"', '"roles/storage.admin"'),
    Property("on the project there are roles for logs, metrics, traces and connecting to Kafka", project_roles, IDENTITY, '"roles/cloudtrace.agent"', '"roles/secretmanager.secretAccessor"'),
    Property("no role is taken from others", project_roles, IDENTITY, '"google_project_iam_member" "nodes"', '"google_project_iam_binding" "nodes"'),
    Property("everybody is named for the shim alone", nobody_is_everybody, "modules/objects/main.tf", '"serviceAccount:${var.objects_email}"', '"allUsers"'),
    Property("nor are all who have an account of Google's", nobody_is_everybody, "modules/secrets/main.tf", "var.members[each.value.process]", '"allAuthenticatedUsers"'),
    Property("the shim takes requests of the balancer alone", every(SERVICE, ingress="INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"), API, '"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"', '"INGRESS_TRAFFIC_ALL"'),
    Property("nothing has keys of a service account", none_of("google_service_account_key"), IDENTITY, 'resource "google_service_account" "nodes"', 'resource "google_service_account_key" "nodes"'),
    Property("a pod becomes the account of its own process", pods_take_their_own, IDENTITY, "[${each.value}]", "[scribe-rabbit/default]"),
    Property("which a variable names without wildcards", pods_take_their_own, "modules/identity/variables.tf", "^[a-z0-9-]+/[a-z0-9-]+$", ".*"),
    Property("nothing runs as the project's default account", own_account, API, "    service_account                  = var.service_account\n", ""),
    Property("neither do GKE's machines", own_account, "modules/cluster/gpus.tf", "    service_account   = var.nodes_email\n", ""),
    Property("operators are people", variables("identity", "operators", "user|group"), "modules/identity/variables.tf", "(user|group)", "(user|serviceAccount)"),
    Property("no firewall rule lets the internet in", ingress_is_denied, NETWORK, '  deny {\n    protocol = "all"', '  allow {\n    protocol = "all"'),
    Property("what no rule allows is denied and written down", ingress_is_denied, NETWORK, '  source_ranges = ["0.0.0.0/0"]\n', '  source_ranges = ["10.0.0.0/8"]\n'),
    Property("firewall rules are logged", ingress_is_denied, NETWORK, '  log_config {\n    metadata = "INCLUDE_ALL_METADATA"\n  }\n}\n\n# whoever', "}\n\n# whoever"),
    Property("subnets have names and no defaults", every("google_compute_network", auto_create_subnetworks=False), NETWORK, "auto_create_subnetworks         = false", "auto_create_subnetworks         = true"),
    Property("Google's APIs are reached privately", every("google_compute_subnetwork", private_ip_google_access=True), NETWORK, "private_ip_google_access = true", "private_ip_google_access = false"),
    Property("flows in the network are logged", every("google_compute_subnetwork", "log_config", metadata="INCLUDE_ALL_METADATA"), NETWORK, '    metadata             = "INCLUDE_ALL_METADATA"\n', ""),
    Property("clients need TLS 1.2", every("google_compute_ssl_policy", min_tls_version="TLS_1_2"), BALANCER, '"TLS_1_2"', '"TLS_1_0"'),
    Property("and ciphers of today", every("google_compute_ssl_policy", profile="RESTRICTED"), BALANCER, '"RESTRICTED"', '"COMPATIBLE"'),
    Property("the balancer has that policy", every("google_compute_target_https_proxy", ssl_policy=GIVEN), BALANCER, "  ssl_policy       = google_compute_ssl_policy.this.id\n", ""),
    Property("plain HTTP leads to HTTPS", only_balancer_redirects, BALANCER, "https_redirect         = true", "https_redirect         = false"),
    Property("each client has a share", clients_have_a_limit, BALANCER, '"deny(429)"', '"allow"'),
    Property("the balancer has that limit", every("google_compute_backend_service", security_policy=GIVEN), BALANCER, "  security_policy       = google_compute_security_policy.this.id\n", ""),
    Property("metrics are not for clients", metrics_are_ours, BALANCER, "'^/metrics/?$'", "'^/metric/?$'"),
    Property("requests are logged", every("google_compute_backend_service", "log_config", enable=True), BALANCER, "    enable      = true\n", "    enable      = false\n"),
    Property("the control plane is not on the internet", control_plane_is_private, CLUSTER, "enable_private_endpoint = true", "enable_private_endpoint = false"),
    Property("nor open to Google's public addresses", control_plane_is_private, CLUSTER, "gcp_public_cidrs_access_enabled      = false", "gcp_public_cidrs_access_enabled      = true"),
    Property("only private ranges may be authorised there", variables("cluster", "authorized_ranges", "^(10"), "modules/cluster/variables.tf", 'regex("^(10', 'regex("(10'),
    Property("nobody logs in to it by certificate", every(GKE, "master_auth", "client_certificate_config", issue_client_certificate=False), CLUSTER, "issue_client_certificate = false", "issue_client_certificate = true"),
    Property("nobody is let in unnamed", every(GKE, "anonymous_authentication_config", mode="LIMITED"), CLUSTER, '"LIMITED"', '"ENABLED"'),
    Property("old rights by attribute are off", every(GKE, enable_legacy_abac=False), CLUSTER, "enable_legacy_abac          = false", "enable_legacy_abac          = true"),
)
# fmt: on
