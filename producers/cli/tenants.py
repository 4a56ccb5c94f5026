"""`scribe tenants`: what each tenant may do and how long its data are kept, for operators who can reach Kafka."""

import sys
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

import typer

from producers.cli.keys import Json
from producers.cli.outcome import print_json
from producers.cli.tables import add_row, make_table, show_table
from producers.policies import publish_policy, read_policies
from schemas.errors import Rejected
from schemas.events import TenantPolicy
from schemas.objects import check_tenant
from schemas.policies import QUOTAS, merged
from schemas.retention import CLASSES, days_of, days_text
from schemas.serde import to_json
from schemas.settings import KafkaSettings, load

app = typer.Typer(no_args_is_help=True, help="What tenants may do; needs SCRIBE_KAFKA_BOOTSTRAP.")
Tenant = Annotated[str, typer.Argument(help="The tenant's name.")]
_KEPT = f"CLASS=DAYS, CLASS=forever or CLASS=default; of {', '.join(CLASSES)}. May be repeated."
_LIST = "May be repeated; replaces the list, and '' empties it."


@app.command("set")
def set_(
    tenant: Tenant,
    retention: Annotated[list[str] | None, typer.Option(help=_KEPT)] = None,
    enhanced_ai: Annotated[
        bool | None, typer.Option(help="The tenant's consent that text leaves for the enhanced-AI service.")
    ] = None,
    llm_model: Annotated[list[str] | None, typer.Option(help=f"A model that may be asked for there. {_LIST}")] = None,
    model: Annotated[list[str] | None, typer.Option(help=f"A model that its jobs may name. {_LIST}")] = None,
    allowed_host: Annotated[list[str] | None, typer.Option(help=f"A host of recordings. {_LIST}")] = None,
    allowed_prefix: Annotated[list[str] | None, typer.Option(help=f"An s3:// prefix of recordings. {_LIST}")] = None,
    inline: Annotated[bool | None, typer.Option(help="Whether transcripts may travel inside events.")] = None,
    quota: Annotated[
        list[str] | None, typer.Option(help=f"NAME=NUMBER or NAME=none; of {', '.join(QUOTAS)}. May be repeated.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Change what is named and leave all else as it is; the new policy is published on scribe.tenants.

    [bold]scribe tenants set acme --retention audio=7 --retention transcripts=forever[/]

    [bold]scribe tenants set acme --enhanced-ai --llm-model small[/]
    """
    settings, now = load(KafkaSettings), datetime.now(UTC)
    lists = {
        "llm_models": llm_model,
        "models": model,
        "allowed_hosts": allowed_host,
        "allowed_prefixes": allowed_prefix,
    }
    flags = {"enhanced_ai": enhanced_ai, "inline": inline}
    changes: dict[str, Any] = {name: tuple(v for v in given if v) for name, given in lists.items() if given is not None}
    changes |= {name: given for name, given in flags.items() if given is not None}
    days = _pairs("--retention", retention or (), "default", days_of)
    quotas = _pairs("--quota", quota or (), "none", _number)
    stored = read_policies(settings, now).get(check_tenant(tenant))
    policy = merged(tenant, stored, now, retention=days, quotas=quotas, **changes)
    publish_policy(settings, policy, now)
    _print(policy, as_json)


@app.command()
def show(tenant: Tenant, as_json: Json = False) -> None:
    """Print the policy of one tenant."""
    policy = read_policies(load(KafkaSettings), datetime.now(UTC)).get(tenant)
    if policy is None:
        raise Rejected("not_found", f"tenant '{tenant}' has no policy, so the defaults are in force")
    _print(policy, as_json)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """List every tenant that has a policy."""
    policies = [policy for _, policy in sorted(read_policies(load(KafkaSettings), datetime.now(UTC)).items())]
    if as_json:
        print_json([to_json(policy) for policy in policies])
        return
    shown = make_table("TENANT", "ENHANCED AI", "RETENTION", "SINCE", whole=("TENANT",))
    for policy in policies:
        kept = " ".join(f"{name}={days_text(days)}" for name, days in sorted(policy.retention_days.items()))
        add_row(shown, [policy.tenant, "yes" if policy.enhanced_ai else "no", kept, f"{policy.at:%Y-%m-%d %H:%M}"])
    show_table(shown)


def _pairs(option: str, given: Iterable[str], unset: str, read: Callable[[str], int]) -> Mapping[str, int | None]:
    """`NAME=VALUE` texts as numbers by name, None where the value is `unset`; raises Rejected(invalid_request)."""
    pairs: dict[str, int | None] = {}
    for text in given:
        name, _, value = text.partition("=")
        try:
            pairs[name] = None if value == unset else read(value)
        except ValueError as error:
            raise Rejected("invalid_request", f"{option} {text}: {error}") from error
    return pairs


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise ValueError("must be a number, or none")
    return int(text)


def _print(policy: TenantPolicy, as_json: bool) -> None:
    if as_json:
        print_json(to_json(policy))
        return
    rows = {
        "tenant": policy.tenant,
        "since": f"{policy.at:%Y-%m-%d %H:%M:%S} UTC",
        "enhanced AI": "yes" if policy.enhanced_ai else "no",
        "models of enhanced AI": _any(policy.llm_models),
        "models": _any(policy.models),
        "hosts": _any(policy.allowed_hosts),
        "prefixes": _any(policy.allowed_prefixes),
        "transcripts in events": "yes" if policy.inline else "no",
        "quotas": " ".join(f"{name}={value}" for name, value in sorted(policy.quotas.items())) or "none",
        "days kept": _kept(policy.retention_days),
    }
    width = max(map(len, rows))
    sys.stdout.write("".join(f"{name:<{width}}  {value}\n" for name, value in rows.items()))


def _any(values: tuple[str, ...]) -> str:
    return " ".join(values) or "any"


def _kept(own: Mapping[str, int]) -> str:
    return " ".join(f"{name}={days_text(days)}" for name, days in sorted(own.items())) or "the service's defaults"
