"""S3Proxy: the S3 interface over a folder, as a substitute for MinIO, AWS or GCS."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from deploy.local.component import Component
from deploy.local.java import class_path, java
from deploy.local.ports import HOST

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

HEAP_MB = 256  # an object is read whole before it is written, several at a time
REGION = "us-east-1"
BUCKET = "scribe"
# S3Proxy logs every request unless told otherwise
LOGBACK = """<configuration>
  <appender name="out" class="ch.qos.logback.core.ConsoleAppender">
    <encoder><pattern>%d %level %logger{1}: %msg%n</pattern></encoder>
  </appender>
  <root level="WARN"><appender-ref ref="out"/></root>
</configuration>
"""


def proxy_properties(port: int, folder: Path, access_key: str, secret_key: str) -> str:
    """The settings of S3Proxy: signed requests only, objects as files in `folder`."""
    settings = {
        "s3proxy.endpoint": f"http://{HOST}:{port}",
        "s3proxy.authorization": "aws-v2-or-v4",
        "s3proxy.identity": access_key,
        "s3proxy.credential": secret_key,
        "jclouds.provider": "filesystem-nio2",
        "jclouds.filesystem.basedir": folder,
    }
    return "".join(f"{name}={value}\n" for name, value in settings.items())


class S3(Component):
    """The object store, with the service's bucket in it."""

    name = "s3"
    port_names = ("s3",)

    def __init__(
        self, folder: Path, ports: Mapping[str, int], jars: Sequence[Path], keys: tuple[str, str], *, owned: bool
    ) -> None:
        super().__init__(folder, ports, owned=owned)
        self._jars = jars
        self._keys = keys

    @property
    def endpoint(self) -> str:
        """The address of the store."""
        return f"http://{self.address}"

    def prepare(self) -> None:
        """Write the settings, which hold the secret key."""
        objects = self.data / "objects"
        objects.mkdir(exist_ok=True)
        path = self.data / "s3proxy.properties"
        path.touch(mode=0o600)
        path.write_text(proxy_properties(self.port, objects, *self._keys))
        (self.data / "logback.xml").write_text(LOGBACK)

    def command(self) -> Sequence[str]:
        """See Component."""
        logback = f"-Dlogback.configurationFile={self.data / 'logback.xml'}"
        main = ("org.gaul.s3proxy.Main", "--properties", str(self.data / "s3proxy.properties"))
        return java(HEAP_MB, [*class_path(self._jars), logback, *main])

    def client(self) -> "S3Client":
        """A boto3 client with the keys of this store."""
        access_key, secret_key = self._keys
        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=access_key,
            aws_secret_access_key=secret_key,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}),
        )

    def after_start(self) -> None:
        """Create the service's bucket."""
        client = self.client()
        if BUCKET not in {bucket["Name"] for bucket in client.list_buckets()["Buckets"]}:
            client.create_bucket(Bucket=BUCKET)
        client.close()
