"""Life-cycle rules of the bucket, as Terraform renders them, held to those that deploy/lifecycle.py writes."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from deploy.lifecycle import s3_rules


def different(rendered: Sequence[Mapping[str, Any]], days: int | None) -> Iterator[str]:
    """The differences of the rendered rules from those for so many days. Pure."""
    found = {rule["ID"]: rule for rule in map(as_s3, rendered)}
    wanted = {rule["ID"]: rule for rule in s3_rules(days)["Rules"]}
    for name in sorted(found.keys() | wanted.keys()):
        if found.get(name) != wanted.get(name):
            yield f"life cycle {name}: Terraform has {found.get(name)}, deploy/lifecycle.py {wanted.get(name)}"


def as_s3(rule: Mapping[str, Any]) -> dict[str, Any]:
    """A rule of the provider in the form of S3. Pure."""
    form: dict[str, Any] = {
        "ID": rule["id"],
        "Filter": {"Prefix": rule["filter"][0]["prefix"]},
        "Status": rule["status"],
    }
    for each in rule["abort_incomplete_multipart_upload"]:
        form["AbortIncompleteMultipartUpload"] = {"DaysAfterInitiation": each["days_after_initiation"]}
    for each in rule["noncurrent_version_expiration"]:
        form["NoncurrentVersionExpiration"] = {"NoncurrentDays": each["noncurrent_days"]}
    for each in rule["expiration"]:
        form["Expiration"] = {"Days": each["days"]}
    if rule["transition"]:
        form["Transitions"] = [
            {"Days": each["days"], "StorageClass": each["storage_class"]} for each in rule["transition"]
        ]
    return form
