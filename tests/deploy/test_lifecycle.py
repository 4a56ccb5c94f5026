"""Life-cycle rules are of the form that S3 takes, and delete nothing that nobody asked to delete."""

import json
import os
import subprocess
import sys
from typing import Any

import boto3
import pytest
from botocore.validate import ParamValidator

from deploy.lifecycle import COOLER_DAYS, gcs_rules, s3_rules


@pytest.mark.parametrize("days", [None, 7, COOLER_DAYS, 365])
def test_s3_would_take_the_rules(days: int | None) -> None:
    client = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
    shape = client.meta.service_model.operation_model("PutBucketLifecycleConfiguration").input_shape
    assert shape is not None
    report = ParamValidator().validate({"Bucket": "scribe", "LifecycleConfiguration": s3_rules(days)}, shape)
    assert not report.has_errors(), report.generate_report()
    client.close()


@pytest.mark.parametrize("days", [7, 365])
def test_both_forms_say_the_same(days: int) -> None:
    s3 = {rule["ID"]: rule for rule in s3_rules(days)["Rules"]}
    gcs = [(rule["action"]["type"], rule["condition"]) for rule in gcs_rules(days)["rule"]]
    assert s3["bound"]["Expiration"] == {"Days": days}
    assert ("Delete", {"age": days, "isLive": True}) in gcs
    assert ("cooler" in s3) == any(kind == "SetStorageClass" for kind, _ in gcs) == (days > COOLER_DAYS)


def test_without_a_bound_only_leftovers_go() -> None:
    assert [rule["ID"] for rule in s3_rules(None)["Rules"]] == ["unfinished", "noncurrent", "cooler"]
    assert all(rule["condition"].get("isLive") is not True for rule in gcs_rules(None)["rule"])


def test_the_command_prints_what_its_setting_says() -> None:
    printed = run(SCRIBE_OBJECT_RETENTION_DAYS="90")
    assert json.loads(printed.stdout) == s3_rules(90)
    wrong = run(SCRIBE_OBJECT_RETENTION_DAYS="soon")
    assert (wrong.returncode, "SCRIBE_OBJECT_RETENTION_DAYS" in wrong.stderr) == (1, True)


def run(**environment: str) -> Any:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("SCRIBE_")}
    command = [sys.executable, "-m", "deploy.lifecycle"]
    return subprocess.run(command, env={**clean, **environment}, capture_output=True, text=True, check=False)
