"""Completion in a real bash; what zsh and fish ask for; and that it can be installed."""

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.bench.cli_start import command
from tests.integration.commands import CLEAN

# what a TAB does: the function that completes the command is called with the words of the line
TAB = """
eval "$(scribe --show-completion)"
complete -p scribe >/dev/null || exit 1
COMP_WORDS=({words})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_scribe_completion scribe
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    """An environment with `scribe` on the PATH and a home of its own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    script = folder / "scribe"
    interpreter, _, code = command("scribe")
    script.write_text(f"#!{interpreter}\n{code}\n")
    script.chmod(0o755)
    where = os.pathsep.join([str(folder), os.environ["PATH"]])
    return {**CLEAN, "PATH": where, "HOME": str(tmp_path), "PYTHONPATH": os.getcwd()}  # noqa: PTH109


def bash(script: str, environment: Mapping[str, str]) -> list[str]:
    done = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\n:"],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, ""), done
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("scribe su", ["submit"]),
        ("scribe re", ["result", "rename", "revisions", "replay"]),
        ("scribe dlq re", ["redrive"]),
        ("scribe submit --num", ["--num-speakers"]),
        ("scribe submit x.wav --language he --langu", []),
        ("scribe submit --via ''", ["rest", "kafka"]),
        ("scribe result x --format v", ["vtt"]),
        ("scribe dlq list --group p", ["persist"]),
        ("scribe dlq list --code undec", ["undecodable"]),
        ("scribe dlq redrive --to 1", ["1m", "10m", "1h"]),
        ("scribe tenants set acme --quota ''", ["queued=", "llm_tokens_per_day="]),
        ("scribe webhooks deliveries --state e", ["exhausted"]),
    ],
)
def test_a_line_is_completed_in_bash(home: Mapping[str, str], words: str, offered: list[str]) -> None:
    assert bash(TAB.format(words=words), home) == (offered or [""])


def test_where_a_file_belongs_bash_offers_files(home: Mapping[str, str]) -> None:
    """The function gives nothing, and `complete -o default` has bash take the names of files."""
    assert bash(TAB.format(words="scribe submit rec"), home) == [""]
    assert "complete -o default" in bash("scribe --show-completion", home)[-1]


def test_it_is_installed_for_the_shell_it_is_called_from(home: Mapping[str, str]) -> None:
    said = bash("scribe --install-completion", home)
    assert "bash completion installed in" in said[0]
    again = bash('source "$HOME/.bashrc"; complete -p scribe', home)
    assert again == ["complete -o default -F _scribe_completion scribe"]


@pytest.mark.parametrize(
    ("shell", "asked", "offered"),
    [
        ("zsh", {"_TYPER_COMPLETE_ARGS": "scribe su"}, "submit"),
        ("fish", {"_TYPER_COMPLETE_ARGS": "scribe su", "_TYPER_COMPLETE_FISH_ACTION": "get-args"}, "submit"),
    ],
)
def test_other_shells_get_what_their_scripts_ask_for(
    home: Mapping[str, str], shell: str, asked: dict[str, str], offered: str
) -> None:
    done = subprocess.run(
        command("scribe"),
        env={**home, **asked, "_SCRIBE_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    assert offered in done.stdout
    assert "watch" not in done.stdout
