"""Life-cycle rules of the bucket for S3 and GCS: an upper bound for retention, and cheaper storage before that.

python -m deploy.lifecycle                    S3's form: aws s3api put-bucket-lifecycle-configuration --lifecycle-configuration
python -m deploy.lifecycle --form gcs         GCS's form: gcloud storage buckets update --lifecycle-file

Keys begin with their tenant, so a rule cannot tell one class of data from another; that is what `scribe-streams retention` does.
"""

import json
import sys
from enum import StrEnum
from typing import Annotated, Any

import typer

from schemas.errors import SettingsError
from schemas.settings.loading import load
from schemas.settings.stores import ObjectStoreSettings

UNFINISHED_DAYS = 2  # a multipart upload that broke off
NONCURRENT_DAYS = 1  # what was deleted in a bucket that keeps versions
COOLER_DAYS = 30  # S3 takes nothing into its infrequent-access class before


class Form(StrEnum):
    """The provider whose format is written."""

    S3 = "s3"
    GCS = "gcs"


def s3_rules(retention_days: int | None) -> dict[str, Any]:
    """Argument LifecycleConfiguration of PutBucketLifecycleConfiguration; `retention_days` None: nothing is deleted."""
    whole: dict[str, Any] = {"Filter": {"Prefix": ""}, "Status": "Enabled"}
    rules = [
        {"ID": "unfinished", **whole, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": UNFINISHED_DAYS}},
        {"ID": "noncurrent", **whole, "NoncurrentVersionExpiration": {"NoncurrentDays": NONCURRENT_DAYS}},
    ]
    if retention_days is None or retention_days > COOLER_DAYS:
        cooler = {"Days": COOLER_DAYS, "StorageClass": "STANDARD_IA"}
        rules.append({"ID": "cooler", **whole, "Transitions": [cooler]})
    if retention_days is not None:
        rules.append({"ID": "bound", **whole, "Expiration": {"Days": retention_days}})
    return {"Rules": rules}


def gcs_rules(retention_days: int | None) -> dict[str, Any]:
    """The rules as a life-cycle document of GCS."""
    rules = [
        {"action": {"type": "AbortIncompleteMultipartUpload"}, "condition": {"age": UNFINISHED_DAYS}},
        {"action": {"type": "Delete"}, "condition": {"daysSinceNoncurrentTime": NONCURRENT_DAYS, "isLive": False}},
    ]
    if retention_days is None or retention_days > COOLER_DAYS:
        cooler = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
        rules.append({"action": cooler, "condition": {"age": COOLER_DAYS, "matchesStorageClass": ["STANDARD"]}})
    if retention_days is not None:
        rules.append({"action": {"type": "Delete"}, "condition": {"age": retention_days, "isLive": True}})
    return {"rule": rules}


def main(form: Annotated[Form, typer.Option(help="Whose form.")] = Form.S3) -> None:
    """Print the rules for SCRIBE_OBJECT_RETENTION_DAYS as JSON; unset, objects are kept and only leftovers go."""
    try:
        days = load(ObjectStoreSettings).object_retention_days
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        raise typer.Exit(1) from error
    rules = s3_rules(days) if form is Form.S3 else gcs_rules(days)
    sys.stdout.write(json.dumps(rules, indent=1) + "\n")


if __name__ == "__main__":
    typer.run(main)
