"""The state file."""

import os
from pathlib import Path

import psutil
import pytest

from deploy.local.errors import StackError
from deploy.local.process import ProcessId
from deploy.local.state import StackState, read_state, state_file, write_state


def test_what_is_written_is_read(tmp_path: Path) -> None:
    state = StackState(ports={"kafka": 20001}, processes={"kafka": ProcessId(1, 2.5)}, durable=False)
    write_state(tmp_path, state)
    assert read_state(tmp_path) == state


def test_only_the_owner_may_read_the_secrets(tmp_path: Path) -> None:
    write_state(tmp_path, StackState())
    assert state_file(tmp_path).stat().st_mode & 0o077 == 0


def test_every_stack_has_its_own_secrets(tmp_path: Path) -> None:
    assert read_state(tmp_path).secrets != read_state(tmp_path).secrets


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"processes": {"kafka": 1}}'])
def test_a_damaged_file_says_what_to_delete(tmp_path: Path, text: str) -> None:
    state_file(tmp_path).write_text(text)
    with pytest.raises(StackError, match="delete"):
        read_state(tmp_path)


def test_a_pid_that_went_to_another_process_is_not_running() -> None:
    mine = ProcessId(os.getpid(), psutil.Process().create_time())
    stale = ProcessId(os.getpid(), mine.started - 100)
    assert StackState(processes={"kafka": stale, "s3": mine}).running == {"s3": mine}
