"""`scribe tenants`: rights and retention of each tenant, for operators who can reach Kafka."""

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from producers.cli.terminal.json_lines import print_json
from producers.cli.terminal.pairs import pairs_of
from producers.cli.terminal.tables import add_row, make_table, print_pairs, show_rows
from producers.kafka.tenant_policies import publish_policy, read_policies
from producers.messages.absence import NotThere
from schemas.errors import Rejected
from schemas.events import TenantPolicy
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.tenants.policies import merged
from schemas.tenants.retention import days_of, days_text
from schemas.wire.object_keys import check_tenant
from schemas.wire.serde import to_json


def set_(
    tenant: str,
    retention: list[str] | None,
    enhanced_ai: bool | None,
    llm_model: list[str] | None,
    model: list[str] | None,
    allowed_host: list[str] | None,
    allowed_prefix: list[str] | None,
    inline: bool | None,
    quota: list[str] | None,
    as_json: bool,
) -> None:
    """Implements `scribe tenants set`."""
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


def show(tenant: str, as_json: bool) -> None:
    """Implements `scribe tenants show`."""
    policy = read_policies(load(KafkaSettings), datetime.now(UTC)).get(tenant)
    if policy is None:
        raise NotThere(f"tenant '{tenant}' has no policy, so the defaults are in force")
    _print(policy, as_json)


def list_(as_json: bool) -> None:
    """Implements `scribe tenants list`."""
    policies = [policy for _, policy in sorted(read_policies(load(KafkaSettings), datetime.now(UTC)).items())]
    if as_json:
        print_json([to_json(policy) for policy in policies])
        return
    shown = make_table("TENANT", "ENHANCED AI", "RETENTION", "SINCE (UTC)", whole=("TENANT",))
    for policy in policies:
        kept = " ".join(f"{name}={days_text(days)}" for name, days in sorted(policy.retention_days.items()))
        add_row(shown, [policy.tenant, "yes" if policy.enhanced_ai else "no", kept, f"{policy.at:%Y-%m-%d %H:%M}"])
    show_rows(shown, "no policies: the defaults are in force for every tenant")


def _pairs(option: str, given: Iterable[str], unset: str, read: Callable[[str], int]) -> Mapping[str, int | None]:
    """`NAME=VALUE` texts as numbers by name, None where the value is `unset`; raises Rejected(invalid_request)."""
    pairs: dict[str, int | None] = {}
    for name, value in pairs_of(option, given, "NAME=VALUE").items():
        try:
            pairs[name] = None if value == unset else read(value)
        except ValueError as error:
            raise Rejected("invalid_request", f"{option} {name}={value}: {error}") from error
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
    print_pairs(rows.items())


def _any(values: tuple[str, ...]) -> str:
    return " ".join(values) or "any"


def _kept(own: Mapping[str, int]) -> str:
    return " ".join(f"{name}={days_text(days)}" for name, days in sorted(own.items())) or "the service's defaults"
