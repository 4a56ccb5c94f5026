"""Typos that are planted in a copy of the modules, one at a time, each of which Terraform or the tests must find."""

from collections.abc import Iterator
from dataclasses import dataclass

from deploy.checks.aws.terraform import Workspace, test


@dataclass(frozen=True, slots=True)
class TerraformTypo:
    """A slip of the keyboard in a file; `tests`: the file of tests that finds what `terraform validate` cannot."""

    file: str
    right: str
    wrong: str
    tests: str | None = None


TYPOS = (
    TerraformTypo("modules/database/main.tf", "storage_encrypted     = true", "storage_encripted     = true"),
    TerraformTypo("modules/database/main.tf", 'resource "aws_db_instance" "primary"', 'resource "aws_db_instanse" "primary"'),
    TerraformTypo("modules/database/main.tf", "each.value\n  ip_protocol", "each.valeu\n  ip_protocol"),
    TerraformTypo("modules/database/outputs.tf", "aws_db_instance.primary.address", "aws_db_instance.primary.adress"),
    TerraformTypo("modules/kafka/main.tf", 'client_broker = "TLS"', 'client_broker = "TSL"'),
    TerraformTypo("modules/kafka/main.tf", "encryption_in_transit {", "encryption_in_transfer {"),
    TerraformTypo("modules/kafka/main.tf", "unauthenticated = false", "unauthenticated = flase"),
    TerraformTypo("modules/storage/main.tf", "restrict_public_buckets = true", "restrict_public_bucket = true"),
    TerraformTypo("modules/storage/main.tf", 'sse_algorithm     = "aws:kms"', 'sse_algorithm     = "aws:kmss"'),
    TerraformTypo("modules/storage/life_cycle.tf", 'storage_class = "STANDARD_IA"', 'storage_class = "STANDARD_AI"'),
    TerraformTypo("modules/registry/main.tf", 'image_tag_mutability = "IMMUTABLE"', 'image_tag_mutability = "IMUTABLE"'),
    TerraformTypo("modules/gpu_pool/main.tf", 'managed_draining               = "ENABLED"', 'managed_draining               = "ENABLD"'),
    TerraformTypo("modules/gpu_pool/main.tf", "protect_from_scale_in = true", "protect_from_scalein = true"),
    TerraformTypo("modules/gpu_pool/main.tf", "on_demand_base_capacity ", "on_demand_base_capcity "),
    TerraformTypo("modules/gpu_scaling/main.tf", 'scalable_dimension = "ecs:service:DesiredCount"', 'scalable_dimension = "ecs:service:DesireCount"'),
    TerraformTypo("modules/load_balancer/main.tf", "enable_deletion_protection = var.deletion_protection", "enable_deletion_protection = var.deletion_protecton"),
    TerraformTypo("modules/network/endpoints.tf", 'vpc_endpoint_type = "Gateway"', 'vpc_endpoint_type = "Gatway"'),
    TerraformTypo("modules/service/main.tf", "jsonencode(concat(", "jsonencode(conct("),
    TerraformTypo("main.tf", "module.network.data_subnet_ids", "module.network.data_subnets_ids"),
    TerraformTypo("services.tf", "local.process_secrets[each.key]", "local.proces_secrets[each.key]"),
    TerraformTypo("key.tf", "enable_key_rotation     = true", "enable_key_rotations    = true"),
    TerraformTypo("modules/database/main.tf", '"rds.force_ssl"', '"rds.force_sll"', tests="database.tftest.hcl"),
    TerraformTypo("modules/kafka/main.tf", "min.insync.replicas=2", "min.insnyc.replicas=2", tests="kafka.tftest.hcl"),
    TerraformTypo("modules/load_balancer/main.tf", '"/health"', '"/heatlh"', tests="entrance.tftest.hcl"),
    TerraformTypo("modules/service/main.tf", "readonlyRootFilesystem = true", "readOnlyRootFilesystem = true", tests="service.tftest.hcl"),
    TerraformTypo("modules/gpu_pool/main.tf", "ECS_ENABLE_GPU_SUPPORT", "ECS_ENABEL_GPU_SUPPORT", tests="gpu.tftest.hcl"),
)  # fmt: skip


def unnoticed(workspace: Workspace) -> Iterator[str]:
    """The typos that nothing found; the copy is as it was before, afterwards."""
    for typo in TYPOS:
        path = workspace.folder / typo.file
        text = path.read_text()
        if typo.right not in text:
            yield f"{typo.file}: {typo.right} is not there any more: plant the typo elsewhere"
            continue
        path.write_text(text.replace(typo.right, typo.wrong, 1))
        try:
            if not found(workspace, typo):
                yield f"{typo.file}: {typo.wrong} was not found"
        finally:
            path.write_text(text)


def found(workspace: Workspace, typo: TerraformTypo) -> bool:
    """Whether the typo that was planted is found by what should find it."""
    if typo.tests is None:
        return any(workspace.mistakes())
    return any(status == "fail" for status in test(workspace, typo.tests).statuses.values())
