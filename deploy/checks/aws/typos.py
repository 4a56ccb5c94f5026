"""Typos that are planted in a copy of the modules, each of which Terraform must name by its line, or a test must find."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from deploy.checks.aws.terraform import Workspace, test


@dataclass(frozen=True, slots=True)
class TerraformTypo:
    """A slip of the keyboard in a file; `tests` finds what `terraform validate` cannot, and says one of `says` of it."""

    file: str
    right: str
    wrong: str
    tests: str | None = None
    says: tuple[str, ...] = ()


TYPOS = (
    TerraformTypo("modules/database/main.tf", "storage_encrypted     = true", "storage_encripted     = true"),
    TerraformTypo("modules/database/main.tf", 'resource "aws_db_instance" "primary"', 'resource "aws_db_instanse" "primary"'),
    TerraformTypo("modules/database/main.tf", "each.value\n  ip_protocol", "each.valeu\n  ip_protocol"),
    TerraformTypo("modules/database/outputs.tf", "aws_db_instance.primary.address", "aws_db_instance.primary.adress"),
    TerraformTypo("modules/kafka/main.tf", 'client_broker = "TLS"', 'client_broker = "TSL"', tests="kafka.tftest.hcl", says=("TSL", "speak TLS and nothing else")),
    TerraformTypo("modules/kafka/main.tf", "encryption_in_transit {", "encryption_in_transfer {"),
    TerraformTypo("modules/kafka/main.tf", "unauthenticated = false", "unauthenticated = flase"),
    TerraformTypo("modules/storage/main.tf", "restrict_public_buckets = true", "restrict_public_bucket = true"),
    TerraformTypo("modules/storage/main.tf", 'sse_algorithm     = "aws:kms"', 'sse_algorithm     = "aws:kmss"', tests="storage.tftest.hcl", says=("aws:kmss", "objects are encrypted under our key")),
    TerraformTypo("modules/storage/life_cycle.tf", 'storage_class = "STANDARD_IA"', 'storage_class = "STANDARD_AI"', tests="storage.tftest.hcl", says=("STANDARD_AI", "move to the cheaper class")),
    TerraformTypo("modules/registry/main.tf", 'image_tag_mutability = "IMMUTABLE"', 'image_tag_mutability = "IMUTABLE"'),
    TerraformTypo("modules/gpu_pool/main.tf", 'managed_draining               = "ENABLED"', 'managed_draining               = "ENABLD"', tests="gpu.tftest.hcl", says=("ENABLD", "is drained first")),
    TerraformTypo("modules/gpu_pool/main.tf", "protect_from_scale_in = true", "protect_from_scalein = true"),
    TerraformTypo("modules/gpu_pool/main.tf", "on_demand_base_capacity ", "on_demand_base_capcity "),
    TerraformTypo("modules/load_balancer/main.tf", "enable_deletion_protection = var.deletion_protection", "enable_deletion_protection = var.deletion_protecton"),
    TerraformTypo("modules/network/endpoints.tf", 'vpc_endpoint_type = "Gateway"', 'vpc_endpoint_type = "Gatway"'),
    TerraformTypo("modules/service/main.tf", "jsonencode(concat(", "jsonencode(conct("),
    TerraformTypo("main.tf", "module.network.data_subnet_ids", "module.network.data_subnets_ids"),
    TerraformTypo("services.tf", "local.process_secrets[each.key]", "local.proces_secrets[each.key]"),
    TerraformTypo("key.tf", "enable_key_rotation     = true", "enable_key_rotations    = true"),
    TerraformTypo("modules/database/main.tf", '"rds.force_ssl"', '"rds.force_sll"', tests="database.tftest.hcl", says=("refuses connections without TLS",)),
    TerraformTypo("modules/kafka/main.tf", "min.insync.replicas=2", "min.insnyc.replicas=2", tests="kafka.tftest.hcl", says=("on two brokers before it counts as written",)),
    TerraformTypo("modules/load_balancer/main.tf", '"/health"', '"/heatlh"', tests="entrance.tftest.hcl", says=("targets are judged by /health",)),
    TerraformTypo("modules/service/main.tf", "readonlyRootFilesystem = true", "readOnlyRootFilesystem = true", tests="service.tftest.hcl", says=("readonlyRootFilesystem", "no container can write to its root")),
    TerraformTypo("modules/gpu_pool/main.tf", "ECS_ENABLE_GPU_SUPPORT", "ECS_ENABEL_GPU_SUPPORT", tests="gpu.tftest.hcl", says=("the agent knows of GPUs",)),
)  # fmt: skip


def unnoticed(workspace: Workspace) -> Iterator[str]:
    """The typos that nothing found; the copy is as it was before, afterwards."""
    absent = [typo for typo in TYPOS if typo.right not in (workspace.folder / typo.file).read_text()]
    yield from (f"{typo.file}: {typo.right} is not there any more: plant the typo elsewhere" for typo in absent)
    present = [typo for typo in TYPOS if typo not in absent]
    missed = [
        *_missed_by_validation(workspace, [typo for typo in present if typo.tests is None]),
        *_missed_by_tests(workspace, [typo for typo in present if typo.tests is not None]),
    ]
    yield from (f"{typo.file}: {typo.wrong} was not found" for typo in missed)


def _missed_by_validation(workspace: Workspace, typos: Sequence[TerraformTypo]) -> Sequence[TerraformTypo]:
    """The typos whose line `terraform validate` names in no round; what one round names is mended before the next.

    All at once, for each run takes seconds; a mistake may hide others, so there are several rounds.
    """
    with planted(workspace, typos) as left:
        while left:
            places = set(workspace.places())
            named = [typo for typo in left if (typo.file, line_of(workspace, typo)) in places]
            if not named:
                break
            for typo in named:
                mend(workspace, typo)
                left.remove(typo)
        return tuple(left)


def _missed_by_tests(workspace: Workspace, typos: Sequence[TerraformTypo]) -> Sequence[TerraformTypo]:
    """The typos of which no test says anything in any round."""
    with planted(workspace, typos) as left:
        while left:
            failures = test(workspace, *sorted({str(typo.tests) for typo in left})).failures
            named = [typo for typo in left if any(_is_about(failure, typo) for failure in failures)]
            if not named:
                break
            for typo in named:
                mend(workspace, typo)
                left.remove(typo)
        return tuple(left)


def _is_about(failure: str, typo: TerraformTypo) -> bool:
    return failure.startswith(f"tests/{typo.tests}") and any(words in failure for words in typo.says)


@contextmanager
def planted(workspace: Workspace, typos: Sequence[TerraformTypo]) -> Iterator[list[TerraformTypo]]:
    """Write the typos into the copy while the block runs; those that are taken out of the list were mended meanwhile."""
    for typo in typos:
        path = workspace.folder / typo.file
        path.write_text(path.read_text().replace(typo.right, typo.wrong, 1))
    left = list(typos)
    try:
        yield left
    finally:
        for typo in left:
            mend(workspace, typo)


def mend(workspace: Workspace, typo: TerraformTypo) -> None:
    """Take a typo out of the copy."""
    path = workspace.folder / typo.file
    path.write_text(path.read_text().replace(typo.wrong, typo.right, 1))


def line_of(workspace: Workspace, typo: TerraformTypo) -> int:
    """The number of the line in which a typo was planted."""
    text = (workspace.folder / typo.file).read_text()
    return text.count("\n", 0, text.index(typo.wrong)) + 1
