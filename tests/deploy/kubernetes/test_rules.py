"""The rules that Kubernetes gets are those of deploy/monitoring."""

from pathlib import Path

import yaml

from deploy.kubernetes.rules import TARGET, resource

FIRST = """
groups:
  - name: jobs
    interval: 30s
    rules:
      - alert: JobsWait
        expr: scribe_rabbit_queue_depth > 5
        for: 5m
        labels: {severity: ticket}
        annotations: {summary: "5 % wait: \\"too many\\""}
"""
SECOND = """
groups:
  - name: workers
    rules:
      - record: scribe:busy
        expr: sum(scribe_rabbit_inflight_jobs)
"""


def test_what_is_there_was_made_from_the_rules() -> None:
    assert TARGET.read_text() == resource(), "run: python -m deploy.kubernetes.rules"


def test_every_group_of_every_file_is_there_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.yml").write_text(FIRST)
    (tmp_path / "b.yml").write_text(SECOND)
    made = yaml.safe_load(resource(tmp_path))
    assert made["kind"] == "PrometheusRule"
    assert made["spec"]["groups"] == [group for text in (FIRST, SECOND) for group in yaml.safe_load(text)["groups"]]
