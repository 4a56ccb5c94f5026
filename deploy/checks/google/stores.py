"""Rules of what keeps data: database, bucket, Kafka, secrets, images and keys."""

from collections.abc import Iterator

from deploy.checks.google.modules import Tree
from deploy.checks.google.properties import GIVEN, Property, every, variables
from deploy.checks.hcl.blocks import Block
from deploy.lifecycle import COOLER_DAYS, NONCURRENT_DAYS, UNFINISHED_DAYS

DATABASE, OBJECTS, KAFKA = "modules/database/main.tf", "modules/objects/main.tf", "modules/kafka/main.tf"
REGISTRY, SECRETS, ENCRYPTION = "modules/registry/main.tf", "modules/secrets/main.tf", "modules/encryption/main.tf"
SQL, BUCKET, CLUSTER = "google_sql_database_instance", "google_storage_bucket", "google_managed_kafka_cluster"


def no_secret_in_state(tree: Tree) -> Iterator[str]:
    """No resource whose secret would lie in Terraform's state."""
    kinds = ("google_secret_manager_secret_version", "google_storage_hmac_key", "google_service_account_key")
    yield from (".".join(block.labels) for block in tree.resources(*kinds, "google_sql_user", "random_password"))
    for block in tree.resources():
        for each in block.walk():
            for name in ("password", "root_password", "secret_data", "auth_token", "password_wo"):
                if name in each.attributes:
                    yield f"{'.'.join(block.labels)}: {name}"


def data_outlive_terraform(tree: Tree) -> Iterator[str]:
    """Everything that cannot be made again survives `terraform destroy` and a changed name."""
    kinds = ("google_managed_kafka_cluster", "google_managed_kafka_topic", "google_kms_crypto_key")
    stores = [block for block in tree.resources("google_storage_bucket") if block.labels[1] == "this"]
    primary = [block for block in tree.resources("google_sql_database_instance") if block.labels[1] == "this"]
    for block in (*tree.resources(*kinds), *stores, *primary):
        if not any(each.value("prevent_destroy") is True for each in block.inner("lifecycle")):
            yield ".".join(block.labels)


def backups(tree: Tree) -> Iterator[str]:
    """The primary has daily backups and every change since."""
    primary = [
        block
        for block in tree.resources("google_sql_database_instance")
        if "master_instance_name" not in block.attributes
    ]
    for block in primary:
        for each in block.inner("settings", "backup_configuration") or [Block("", (), 0)]:
            if each.value("enabled") is not True or each.value("point_in_time_recovery_enabled") is not True:
                yield ".".join(block.labels)


def lifecycle_rules(tree: Tree) -> Iterator[str]:
    """The bucket's rules are those of deploy.lifecycle, with and without an upper bound."""
    bucket = next(block for block in tree.resources("google_storage_bucket") if block.labels[1] == "this")
    found = {
        (each.inner("action")[0].value("type"), name, condition.text)
        for each in bucket.inner("lifecycle_rule")
        for name, condition in each.inner("condition")[0].attributes.items()
    }
    wanted = {
        ("AbortIncompleteMultipartUpload", "age", str(UNFINISHED_DAYS)),
        ("Delete", "days_since_noncurrent_time", str(NONCURRENT_DAYS)),
        ("Delete", "with_state", '"ARCHIVED"'),
        ("SetStorageClass", "age", str(COOLER_DAYS)),
        ("SetStorageClass", "matches_storage_class", '["STANDARD"]'),
        ("Delete", "age", "lifecycle_rule.value"),
        ("Delete", "with_state", '"LIVE"'),
    }
    yield from (f"{' '.join(each)} differs from deploy.lifecycle" for each in sorted(found ^ wanted))


def encrypted(tree: Tree) -> Iterator[str]:
    """Everything at rest is encrypted by a key of ours."""
    places = {
        "google_storage_bucket": (("encryption",), "default_kms_key_name"),
        "google_sql_database_instance": ((), "encryption_key_name"),
        "google_artifact_registry_repository": ((), "kms_key_name"),
        "google_managed_kafka_cluster": (("gcp_config",), "kms_key"),
        "google_pubsub_topic": ((), "kms_key_name"),
        "google_container_node_pool": (("node_config",), "boot_disk_kms_key"),
        "google_container_cluster": (("database_encryption",), "key_name"),
        "google_cloud_run_v2_service": (("template",), "encryption_key"),
        "google_cloud_run_v2_worker_pool": (("template",), "encryption_key"),
        "google_cloud_run_v2_job": (("template", "template"), "encryption_key"),
        "google_secret_manager_secret": (
            ("replication", "user_managed", "replicas", "customer_managed_encryption"),
            "kms_key_name",
        ),
    }
    for kind, (path, name) in places.items():
        yield from every(kind, *path, **{name: GIVEN})(tree)


def kafka_grants(tree: Tree) -> Iterator[str]:
    """ACL entries allow what the code's table has, to named accounts."""
    for block in tree.resources("google_managed_kafka_acl"):
        for entry in block.inner("acl_entries"):
            if entry.attributes["principal"].text != '"User:${acl_entries.value.principal}"':
                yield f"{block.labels[1]}: {entry.attributes['principal'].text}"
            if isinstance(entry.value("operation"), str):
                yield f"{block.labels[1]}: {entry.value('operation')}"


def replicated(tree: Tree) -> Iterator[str]:
    """A record is in three places, and in two before it counts."""
    kafka = tree.modules["modules/kafka"]
    replicas = [block.value("replicas") for _, block in kafka.blocks("locals")]
    if 3 not in replicas:
        yield f"{replicas} replicas"
    for block in kafka.resources("google_managed_kafka_topic"):
        if '"min.insync.replicas" = "2"' not in block.attributes["configs"].text:
            yield "one replica is enough for a record to count"


def roles_of_bucket(tree: Tree) -> Iterator[str]:
    """The bucket's account reads and writes objects, and may not change who else does."""
    allowed = {"roles/storage.objectUser", "roles/storage.legacyBucketReader", "roles/storage.objectCreator"}
    for block in tree.resources("google_storage_bucket_iam_member"):
        if block.value("role") not in allowed:
            yield f"{block.labels[1]}: {block.value('role')}"
    for block in tree.resources(
        "google_storage_bucket_iam_binding", "google_storage_bucket_acl", "google_storage_bucket_iam_policy"
    ):
        yield ".".join(block.labels)


def versions_go(tree: Tree) -> Iterator[str]:
    """No bucket keeps former versions: an erased recording would live on in one."""
    for block in tree.resources(BUCKET):
        if any(each.value("enabled") is not False for each in block.inner("versioning")):
            yield block.labels[1]


def own_secrets(tree: Tree) -> Iterator[str]:
    """A process reads the value of each secret of its own, and does nothing else with it."""
    for block in tree.resources("google_secret_manager_secret_iam_member"):
        if block.value("role") != "roles/secretmanager.secretAccessor" or "for_each" not in block.attributes:
            yield f"{block.labels[1]}: {block.value('role')}"


def no_network_by_address(tree: Tree) -> Iterator[str]:
    """The database is reached through its network, not by a list of addresses."""
    for block in tree.resources(SQL):
        if block.inner("settings", "ip_configuration", "authorized_networks"):
            yield block.labels[1]


def long_passwords(tree: Tree) -> Iterator[str]:
    """The primary refuses short passwords; replicas have its own."""
    for block in tree.resources(SQL):
        policies = block.inner("settings", "password_validation_policy")
        lengths = [policy.value("min_length") for policy in policies if policy.value("enable_password_policy") is True]
        if "master_instance_name" not in block.attributes and not any(isinstance(n, int) and n >= 16 for n in lengths):
            yield f"{block.labels[1]}: {lengths}"


_IP = ("settings", "ip_configuration")
_PRIVATE = "      ipv4_enabled                                  = false\n"
_PUBLIC = "      ipv4_enabled                                  = true\n"
# fmt: off
PROPERTIES: tuple[Property, ...] = (
    Property("databases have no public address", every(SQL, *_IP, ipv4_enabled=False), DATABASE, _PRIVATE, _PUBLIC),
    Property("databases say so themselves", every(SQL, *_IP, ipv4_enabled=False), DATABASE, _PRIVATE, ""),
    Property("databases take TLS alone", every(SQL, *_IP, ssl_mode="ENCRYPTED_ONLY"), DATABASE, '"ENCRYPTED_ONLY"', '"ALLOW_UNENCRYPTED_AND_ENCRYPTED"'),
    Property("databases stand in our network", every(SQL, *_IP, private_network=GIVEN), DATABASE, "      private_network                               = var.network_id\n", ""),
    Property("no addresses are let in to a database", no_network_by_address, DATABASE, "    ip_configuration {\n", '    ip_configuration {\n      authorized_networks {\n        value = "0.0.0.0/0"\n      }\n'),
    Property("the database is backed up with every change since", backups, DATABASE, "point_in_time_recovery_enabled = true", "point_in_time_recovery_enabled = false"),
    Property("the database is backed up", backups, DATABASE, "enabled                        = true", "enabled                        = false"),
    Property("backups are kept for a week at least", variables("database", "retained_backups", ">= 7"), "modules/database/variables.tf", "var.retained_backups >= 7", "var.retained_backups >= 1"),
    Property("no database is deleted by mistake", every(SQL, deletion_protection=True), DATABASE, "deletion_protection = true", "deletion_protection = false"),
    Property("nor past Terraform", every(SQL, "settings", deletion_protection_enabled=True), DATABASE, "deletion_protection_enabled = true", "deletion_protection_enabled = false"),
    Property("passwords are long", long_passwords, DATABASE, "min_length                  = 24", "min_length                  = 8"),
    Property("everything at rest is encrypted by a key of ours: the bucket", encrypted, OBJECTS, "  encryption {\n    default_kms_key_name = var.kms_key\n  }\n", ""),
    Property("the database", encrypted, DATABASE, "  encryption_key_name = var.kms_key\n", ""),
    Property("Kafka", encrypted, KAFKA, "    kms_key = var.kms_key\n", ""),
    Property("secrets", encrypted, SECRETS, "        customer_managed_encryption {\n          kms_key_name = var.kms_key\n        }\n", ""),
    Property("images", encrypted, REGISTRY, "  kms_key_name  = var.kms_key\n", ""),
    Property("secrets and etcd of Kubernetes", encrypted, "modules/cluster/main.tf", "    key_name = var.kms_key\n", ""),
    Property("disks of GPU machines", encrypted, "modules/cluster/gpus.tf", "    boot_disk_kms_key = var.kms_key\n", ""),
    Property("what workers keep", encrypted, "modules/workers/main.tf", "    encryption_key  = var.kms_key\n", ""),
    Property("keys are rotated", every("google_kms_crypto_key", rotation_period="7776000s"), ENCRYPTION, '  rotation_period            = "7776000s" # 90 days\n', ""),
    Property("a destroyed key can be had back", every("google_kms_crypto_key", destroy_scheduled_duration="2592000s"), ENCRYPTION, '"2592000s"', '"86400s"'),
    Property("the bucket is nobody's outside", every(BUCKET, public_access_prevention="enforced"), OBJECTS, '"enforced"', '"inherited"'),
    Property("objects have no rights of their own", every(BUCKET, uniform_bucket_level_access=True), OBJECTS, "uniform_bucket_level_access = true", "uniform_bucket_level_access = false"),
    Property("a bucket with objects is not deleted", every(BUCKET, force_destroy=False), OBJECTS, "force_destroy               = false", "force_destroy               = true"),
    Property("the bucket's account has objects alone", roles_of_bucket, OBJECTS, '"roles/storage.legacyBucketReader"', '"roles/storage.legacyBucketOwner"'),
    Property("what is erased is gone", versions_go, OBJECTS, "  versioning {\n    enabled = false", "  versioning {\n    enabled = true"),
    Property("life-cycle rules are those of the code", lifecycle_rules, OBJECTS, "      age = 2\n", "      age = 7\n"),
    Property("objects live as long as the records that name them", variables("objects", "retention_days", ">= 30"), "modules/objects/variables.tf", ">= 30", ">= 1"),
    Property("no secret lies in Terraform's state", no_secret_in_state, SECRETS, 'resource "google_pubsub_topic" "due"', 'resource "google_secret_manager_secret_version" "due"'),
    Property("neither does the key of the S3 interface", no_secret_in_state, OBJECTS, 'resource "google_storage_bucket_iam_member" "bucket"', 'resource "google_storage_hmac_key" "bucket"'),
    Property("nor a password of the database", no_secret_in_state, DATABASE, "  deletion_protection = true\n", "  deletion_protection = true\n  root_password = var.tier\n"),
    Property("secrets are due now and then", every("google_secret_manager_secret", "rotation", rotation_period=GIVEN), SECRETS, '    rotation_period    = "${var.rotation_days * 86400}s"\n', ""),
    Property("a secret destroyed by mistake can be had back", every("google_secret_manager_secret", version_destroy_ttl="604800s"), SECRETS, '  version_destroy_ttl = "604800s"\n', ""),
    Property("each process reads its own secrets", own_secrets, SECRETS, '"roles/secretmanager.secretAccessor"', '"roles/secretmanager.secretVersionManager"'),
    Property("Kafka's entries name accounts", kafka_grants, KAFKA, '"User:${acl_entries.value.principal}"', '"User:*"'),
    Property("and allow what the code's table has", kafka_grants, KAFKA, "acl_entries.value.operation", '"ALL"'),
    Property("nobody can be a principal by a wildcard", variables("kafka", "principals", "[^@*: ]+@"), "modules/kafka/variables.tf", "^[^@*: ]+@[^@*: ]+$", ".*"),
    Property("a record is in three zones", replicated, KAFKA, "replicas = 3", "replicas = 1"),
    Property("and in two before it counts", replicated, KAFKA, '"min.insync.replicas" = "2"', '"min.insync.replicas" = "1"'),
    Property("topics outlive Terraform", data_outlive_terraform, KAFKA, "    prevent_destroy = true\n", "    prevent_destroy = false\n"),
    Property("so do keys", data_outlive_terraform, ENCRYPTION, "    prevent_destroy = true\n", "    prevent_destroy = false\n"),
    Property("so does the bucket", data_outlive_terraform, OBJECTS, "    prevent_destroy = true\n", "    prevent_destroy = false\n"),
    Property("so does the database", data_outlive_terraform, DATABASE, "    prevent_destroy = true\n", "    prevent_destroy = false\n"),
    Property("a tag that was pushed stays", every("google_artifact_registry_repository", "docker_config", immutable_tags=True), REGISTRY, "immutable_tags = true", "immutable_tags = false"),
)
# fmt: on
