"""Typos that are planted one by one, to see that the linter finds each: of every kind that a provider would refuse."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deploy.checks.google.linter import lint
from deploy.checks.google.modules import tree_of
from deploy.checks.google.schema import GoogleSchema
from deploy.checks.hcl.blocks import HclError


@dataclass(frozen=True, slots=True)
class GoogleTypo:
    """A change of one file; `finds` is a part of what the linter then says."""

    kind: str
    file: str
    right: str
    wrong: str
    finds: str


TYPOS: tuple[GoogleTypo, ...] = (
    GoogleTypo(
        "resource", "modules/network/main.tf", '"google_compute_router_nat"', '"google_compute_routr_nat"', "has no"
    ),
    GoogleTypo(
        "resource without prefix",
        "modules/kafka/main.tf",
        '"google_managed_kafka_acl"',
        '"managed_kafka_acl"',
        "has no",
    ),
    GoogleTypo(
        "data source", "modules/encryption/main.tf", 'data "google_project"', 'data "google_projects_"', "has no"
    ),
    GoogleTypo("argument", "modules/network/main.tf", "auto_create_subnetworks ", "auto_create_subnets ", "takes no"),
    GoogleTypo("argument of a block", "modules/database/main.tf", "ipv4_enabled ", "ipv4_enable ", "takes no"),
    GoogleTypo("argument three blocks down", "modules/kafka/main.tf", "subnet = var", "subnetwork = var", "takes no"),
    GoogleTypo(
        "argument of a dynamic block", "modules/kafka/main.tf", "operation       =", "operations      =", "takes no"
    ),
    GoogleTypo(
        "block", "modules/database/main.tf", "backup_configuration {", "backups_configuration {", "has no block"
    ),
    GoogleTypo(
        "block of a block",
        "modules/cluster/gpus.tf",
        "gpu_driver_installation_config {",
        "gpu_driver_config {",
        "has no block",
    ),
    GoogleTypo("block of a container", "modules/workers/main.tf", "secret_key_ref {", "secret_ref {", "has no block"),
    GoogleTypo(
        "dynamic block",
        "modules/objects/main.tf",
        'dynamic "lifecycle_rule"',
        'dynamic "lifecycle_rules"',
        "has no block",
    ),
    GoogleTypo(
        "block as an argument", "modules/objects/main.tf", "  versioning {", "  versioning = {", "written without ="
    ),
    GoogleTypo("argument as a block", "modules/alerts/main.tf", "labels       = {", "labels {", "written with ="),
    GoogleTypo(
        "required argument",
        "modules/network/main.tf",
        "  network                  = google_compute_network.this.id\n",
        "",
        "lacks network",
    ),
    GoogleTypo(
        "required block", "modules/kafka/main.tf", "capacity_config {", "rebalance_config {", "lacks capacity_config"
    ),
    GoogleTypo(
        "required argument of a block", "modules/registry/main.tf", '    id     = "delete-old"\n', "", "lacks id"
    ),
    GoogleTypo(
        "block given twice",
        "modules/cluster/main.tf",
        "  secret_manager_config {",
        '  release_channel {\n    channel = "RAPID"\n  }\n  secret_manager_config {',
        "one release_channel alone",
    ),
    GoogleTypo("type", "modules/cluster/main.tf", "max_surge       = 1", 'max_surge       = "one"', "must be a number"),
    GoogleTypo(
        "list as text", "modules/api/balancer.tf", "domains = [var.domain]", 'domains = "example.com"', "must be a list"
    ),
    GoogleTypo(
        "value",
        "modules/api/main.tf",
        '"INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER"',
        '"INTERNAL_LOAD_BALANCER"',
        "cannot be",
    ),
    GoogleTypo("value of a block", "modules/workers/main.tf", '"MANUAL"', '"MANUEL"', "cannot be"),
    GoogleTypo("lifecycle", "modules/kafka/main.tf", "prevent_destroy", "prevent_destruction", "takes no"),
    GoogleTypo("variable", "modules/database/main.tf", "var.disk_gigabytes", "var.disk_gigabyte", "there is no var"),
    GoogleTypo("local", "modules/kafka/main.tf", "local.replicas", "local.replica", "there is no local"),
    GoogleTypo(
        "reference to a resource",
        "modules/objects/main.tf",
        "google_storage_bucket.access_logs.name\n    log",
        "google_storage_bucket.access_log.name\n    log",
        "there is no",
    ),
    GoogleTypo(
        "attribute of a resource",
        "modules/database/outputs.tf",
        "this.private_ip_address",
        "this.private_address",
        "there is no",
    ),
    GoogleTypo(
        "attribute of a data source",
        "modules/secrets/main.tf",
        "google_project.this.number",
        "google_project.this.numbers",
        "there is no",
    ),
    GoogleTypo(
        "output of a module",
        "examples/small/main.tf",
        "module.network.network_id",
        "module.network.net_id",
        "there is no",
    ),
    GoogleTypo(
        "call of a module", "examples/small/main.tf", "module.objects.bucket", "module.object.bucket", "there is no"
    ),
    GoogleTypo(
        "argument of a module", "examples/production/main.tf", "highly_available =", "high_available   =", "takes no"
    ),
    GoogleTypo(
        "missing argument of a module",
        "examples/production/main.tf",
        'kms_key        = module.encryption.keys["cluster"]\n',
        "\n",
        "lacks kms_key",
    ),
    GoogleTypo(
        "source of a module", "examples/small/main.tf", '"../../modules/kafka"', '"../../module/kafka"', "there is no"
    ),
    GoogleTypo(
        "each without for_each", "modules/registry/main.tf", "  for_each = var.readers\n", "", "without for_each"
    ),
    GoogleTypo("root of a reference", "modules/workers/main.tf", "var.images[", "vars.images[", "nothing is called"),
    GoogleTypo("function", "modules/settings/main.tf", "jsondecode(", "jsondecod(", "no function"),
)
"""Each is right in the files as they are."""


def survivors(texts: Mapping[str, str], schema: GoogleSchema, functions: frozenset[str] | None) -> Iterator[str]:
    """The typos that the linter does not find, and those that can no longer be planted."""
    for typo in TYPOS:
        if typo.right not in texts.get(typo.file, ""):
            yield f"{typo.file} has no {typo.right!r} any more in which to plant a {typo.kind}"
            continue
        planted = {**texts, typo.file: texts[typo.file].replace(typo.right, typo.wrong, 1)}
        if not any(typo.finds in finding for finding in _findings(planted, schema, functions)):
            yield f"nobody finds {typo.wrong!r} in {typo.file} ({typo.kind})"


def _findings(texts: Mapping[str, str], schema: GoogleSchema, functions: frozenset[str] | None) -> list[str]:
    try:
        return lint(tree_of(texts), schema, functions)
    except HclError as error:
        return [str(error)]
