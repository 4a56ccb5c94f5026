"""Checkov, asked for its report without its platform or the internet."""

import json
from pathlib import Path
from typing import Any

from deploy.checks import tools
from deploy.environment import ROOT

OPTIONS = ("--output", "json", "--quiet", "--compact", "--skip-download")


class CheckovFailed(Exception):
    """Error: there is no report, or a file that checkov could not read."""


def report(framework: str, *source: str, folder: Path = ROOT) -> dict[str, Any]:
    """The report about a source, such as `-d FOLDER` or `--file FILE`: `results` and `summary`; raises CheckovFailed."""
    done = tools.run((tools.tools() / "checkov", "--framework", framework, *source, *OPTIONS), folder=folder)
    try:
        found: dict[str, Any] = json.loads(done.stdout)
        unread = found["results"].get("parsing_errors")
    except (ValueError, LookupError, TypeError, AttributeError):
        raise CheckovFailed(f"checkov gives no report: {done.stdout[-500:]}{done.stderr[-500:]}") from None
    if unread:
        raise CheckovFailed(f"checkov cannot read {', '.join(unread)}")
    return found
