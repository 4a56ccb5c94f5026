"""Regenerates the lists of Java artifacts with Maven, after a version in ROOTS changed (only then is Maven needed).

python -m deploy.local.resolve
"""

import hashlib
import subprocess
import tempfile
from pathlib import Path

from deploy.local.artifacts import FOLDER, Artifact, line_of

LOGGING = (
    "org.apache.logging.log4j:log4j-core:2.25.4",
    "org.apache.logging.log4j:log4j-slf4j-impl:2.25.4",  # the binding of slf4j 1.7, which Kafka brings
)
ROOTS = {
    "kafka": ("org.apache.kafka:kafka_2.13:4.3.0", *LOGGING),
    # for tests: it does not check on a commit which partitions a member still has
    "kafka-4.1": ("org.apache.kafka:kafka_2.13:4.1.2", *LOGGING),
    "s3": (
        "org.gaul:s3proxy:4.1.0",
        "com.fasterxml.jackson.core:jackson-annotations:2.21",  # s3proxy's own is too old for its jackson-databind
    ),
    "registry": ("io.apicurio:apicurio-registry-app:3.3.3:all:tar.gz",),
    # for producers/examples/java, as its first lines name them
    "examples": ("org.apache.kafka:kafka-clients:4.3.0", "org.apache.avro:avro:1.12.2"),
    # another language's opinion of our webhook signatures, and what calls it: the JRE that comes with pip cannot compile
    "signatures": ("com.standardwebhooks:standardwebhooks:1.1.0", "org.mozilla:rhino:1.7.15.1"),
}
POM = """<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>scribe</groupId><artifactId>stack</artifactId><version>1</version><packaging>pom</packaging>
<dependencies>{}</dependencies></project>"""


def dependency_of(coordinate: str) -> str:
    """The XML of one root; an archive with a classifier holds its own dependencies."""
    group, name, version, *rest = coordinate.split(":")
    text = f"<groupId>{group}</groupId><artifactId>{name}</artifactId><version>{version}</version>"
    if rest:
        everything = "<exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion>"
        text += f"<classifier>{rest[0]}</classifier><type>{rest[1]}</type><exclusions>{everything}</exclusions>"
    return f"<dependency>{text}</dependency>"


def resolve(roots: tuple[str, ...], folder: Path) -> list[Artifact]:
    """All files that `roots` need at run time, as Maven chooses them."""
    (folder / "pom.xml").write_text(POM.format("".join(map(dependency_of, roots))))
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", "-Dmdep.useRepositoryLayout=true")
    subprocess.run(["mvn", "-q", "-B", *goal, "-DoutputDirectory=files"], cwd=folder, check=True)
    files = folder / "files"
    return [
        _artifact(path, files) for path in sorted(files.rglob("*")) if path.is_file() and path.suffix != ".xml"
    ]  # no local metadata


def _artifact(path: Path, files: Path) -> Artifact:
    *group, name, version, file = path.relative_to(files).parts
    classifier, _, packaging = file.removeprefix(f"{name}-{version}").partition(".")
    body = path.read_bytes()
    coordinate = (".".join(group), name, version, classifier.lstrip("-"), packaging)
    return Artifact(*coordinate, sha256=hashlib.sha256(body).hexdigest(), size=len(body))


def main() -> None:
    """Write every list."""
    for component, roots in ROOTS.items():
        with tempfile.TemporaryDirectory() as folder:
            lines = [line_of(artifact) for artifact in resolve(roots, Path(folder))]
        (FOLDER / f"{component}.txt").write_text("\n".join(lines) + "\n")
        print(f"{component}: {len(lines)} files")


if __name__ == "__main__":
    main()
