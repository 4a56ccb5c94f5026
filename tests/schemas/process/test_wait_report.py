"""The report of a process: what one writes another reads, of whatever version."""

import json
from typing import Any

import pytest

from schemas.process.wait_reasons import WaitReason
from schemas.process.wait_report import (
    IN_WORK,
    ClosedGate,
    PartitionState,
    Waiting,
    WaitReport,
    from_json,
    merged,
    to_json,
)

REPORT = WaitReport(
    (Waiting("g", WaitReason.TURN, 3, 1.5),),
    (ClosedGate("g", WaitReason.LOOKAHEAD_FULL, 2),),
    (PartitionState("g", "jobs", 1, 7, 2, (WaitReason.RETRY_DELAY,), {8: WaitReason.TURN, 9: IN_WORK}),),
)


def test_a_report_is_read_as_it_was_written() -> None:
    assert from_json(json.loads(json.dumps(to_json(REPORT)))) == REPORT


def test_a_record_is_found_by_its_place() -> None:
    assert REPORT.record("jobs", 1, 8) == WaitReason.TURN
    assert REPORT.record("jobs", 1, 9) == IN_WORK
    assert REPORT.record("jobs", 1, 10) is None
    assert REPORT.record("jobs", 0, 8) is None


def test_gates_of_a_whole_group_are_told_from_those_of_single_partitions() -> None:
    paused = PartitionState("g", "jobs", 1, 7, 0, (WaitReason.OFFSETS_FULL,))
    closed = (ClosedGate("g", WaitReason.OFFSETS_FULL), ClosedGate("g", WaitReason.DRAINING))
    report = WaitReport((), (*closed, ClosedGate("h", WaitReason.STARTING)), (paused,))
    assert report.closed_groups("g") == (WaitReason.DRAINING,)
    assert report.partition("g", "jobs", 1) == paused
    assert (report.partition("h", "jobs", 1), report.partition("g", "jobs", 0)) == (None, None)


def test_a_gate_of_which_two_reports_tell_is_one_gate() -> None:
    twice = merged([REPORT, WaitReport(closed=(*REPORT.closed, ClosedGate("h", WaitReason.OUTAGE)))])
    assert twice.closed == (*REPORT.closed, ClosedGate("h", WaitReason.OUTAGE))


def test_reasons_of_a_later_version_are_left_out() -> None:
    plain = to_json(REPORT)
    plain["waiting"][0]["reason"] = plain["closed"][0]["reason"] = "of tomorrow"
    plain["partitions"][0]["paused_by"] = ["of tomorrow"]
    read = from_json(plain)
    assert (read.waiting, read.closed, read.partitions[0].paused_by) == ((), (), ())
    assert read.record("jobs", 1, 8) == WaitReason.TURN


@pytest.mark.parametrize("plain", [{}, {"waiting": 3, "closed": [], "partitions": []}, [], "ok"])
def test_what_is_no_report_is_refused(plain: Any) -> None:
    with pytest.raises(ValueError, match="no report"):
        from_json(plain)


def test_reports_of_several_groups_are_one() -> None:
    assert merged([REPORT, WaitReport()]) == REPORT
    assert len(merged([REPORT, REPORT]).partitions) == 2
