"""First start of the system: tables, topics, bucket and a first API key; may be run any number of times.

It runs in the image of the REST shim, so it uses nothing else.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import boto3
from botocore.exceptions import ClientError

from schemas.settings.loading import load
from schemas.settings.stores import ObjectStoreSettings

KEY = Path("/var/lib/scribe/api-key")


def main() -> None:
    """Prepare everything; exits with the message of the first step that fails."""
    scribe("database", "migrate")
    scribe("topics", "apply", "--partitions", os.environ["PARTITIONS"], "--replication-factor", "1")
    make_bucket(load(ObjectStoreSettings))
    make_first_key(os.environ["FIRST_TENANT"])


def scribe(*arguments: str) -> str:
    """The output of a command of ours, which is shown too; ends this process when it fails."""
    done = subprocess.run(["scribe", *arguments], stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"scribe {' '.join(arguments)} ended with {done.returncode}; the lines above say why")
    return done.stdout


def make_bucket(settings: ObjectStoreSettings) -> None:
    """Create the bucket when there is none."""
    secret = settings.s3_secret_key
    client = boto3.client(
        "s3",
        endpoint_url=settings.s3_endpoint,
        aws_access_key_id=settings.s3_access_key,
        aws_secret_access_key=secret.get_secret_value() if secret else None,
        region_name=settings.s3_region,
    )
    try:
        client.create_bucket(Bucket=settings.s3_bucket)
        say(f"made the bucket {settings.s3_bucket}")
    except ClientError as error:
        if error.response["Error"]["Code"] not in ("BucketAlreadyOwnedByYou", "BucketAlreadyExists"):
            sys.exit(f"SCRIBE_S3_BUCKET: {settings.s3_bucket} cannot be made: {error}")


def make_first_key(tenant: str) -> None:
    """Make a key when the tenant has none that works, and keep it where the service `scribe` finds it."""
    listed = (json.loads(line) for line in scribe("keys", "list", "--tenant", tenant, "--json").splitlines())
    if any(key["revoked_at"] is None for key in listed):
        return
    key = scribe("keys", "create", "--tenant", tenant, "--label", "first key").strip()
    KEY.touch(mode=0o600)
    KEY.write_text(key)
    say(f"made a first key of the tenant {tenant}: docker compose exec api cat {KEY}")


def say(text: str) -> None:
    """Print what was done."""
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    main()
