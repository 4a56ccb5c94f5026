"""The simulated nodes are those that our components ask for, and the programs are of one version of Kubernetes."""

import re

import yaml

from deploy.checks.cluster.building import MODULE, kubernetes_version
from deploy.checks.cluster.nodes import NAMES, SPOT, nodes
from deploy.checks.kubernetes.manifests import FOLDER


def test_each_component_of_a_gpu_finds_nodes_of_its_cloud() -> None:
    chosen = {}
    for path in FOLDER.glob("components/gpus/*/*/kustomization.yaml"):
        (patch,) = yaml.safe_load(path.read_text())["patches"]
        (operation,) = yaml.safe_load(patch["patch"])
        chosen[path.parts[-3], path.parts[-2]] = operation["value"]
    assert chosen == {
        (cloud, gpu): {label: value} for cloud, (label, values) in NAMES.items() for gpu, value in values.items()
    }


def test_there_are_spot_nodes_and_others_with_each_gpu_in_every_zone() -> None:
    for cloud, (label, values) in NAMES.items():
        spot, yes, _ = SPOT[cloud]
        found = [(n.labels[label], n.labels.get(spot) == yes, n.name[-1]) for n in nodes(cloud) if label in n.labels]
        assert sorted(found) == sorted(
            (gpu, kind, zone) for gpu in values.values() for kind in (True, False) for zone in "abc"
        )


def test_a_small_cluster_has_no_gpu() -> None:
    assert [node.gpus for node in nodes("local")] == [0, 0, 0]


def test_all_parts_of_kubernetes_are_of_one_release() -> None:
    text = (MODULE / "go.mod").read_text()
    versions = set(re.findall(r"^\tk8s\.io/\S+ => k8s\.io/\S+ v0\.(\S+)$", text, re.MULTILINE))
    assert versions == {kubernetes_version().removeprefix("1.")}
