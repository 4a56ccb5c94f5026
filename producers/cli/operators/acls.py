"""`scribe topics acls`: the rights of each process, as commands, as JSON, or given to the broker."""

import sys
from collections.abc import Mapping, Sequence

from producers.cli.terminal.json_lines import print_json
from producers.kafka.acls import AclAdmin, AclPlan, acl_plan, commands, plain
from schemas.errors import Rejected
from schemas.settings.kafka import KafkaSettings
from schemas.settings.loading import load
from schemas.vocabulary.nearest import nearest
from sink.records.kafka.rights import RIGHTS, USERS, Grant, grants


def acls(process: list[str] | None, user: list[str] | None, as_json: bool, apply: bool, dry_run: bool) -> None:
    """Implements `scribe topics acls`."""
    wanted = grants(_users(user or ()), _processes(process or ()))
    if not (apply or dry_run):
        _print(wanted, as_json)
        return
    settings = load(KafkaSettings)
    admin = AclAdmin(settings)
    found = acl_plan(wanted, admin.existing())
    if not dry_run:
        admin.create(found.missing)
    _report(found, len(wanted), dry_run=dry_run)


def _print(wanted: Sequence[Grant], as_json: bool) -> None:
    if as_json:
        print_json(plain(grant) for grant in wanted)
        return
    for line in commands(wanted, load(KafkaSettings).kafka_bootstrap):
        sys.stdout.write(f"{line}\n")


def _report(found: AclPlan, number: int, *, dry_run: bool) -> None:
    for grant in found.missing:
        sys.stdout.write(f"{'would give' if dry_run else 'gave'} {grant.user}: {grant.right}\n")
    for grant in found.superfluous:
        sys.stderr.write(f"{grant.user} has more than it needs: {grant.right}\n")
    granted = number - len(found.missing)
    sys.stdout.write(f"{number} rights, {granted} of them were there already\n")


def _processes(names: Sequence[str]) -> tuple[str, ...]:
    for name in names:
        _check(name, "--process")
    return tuple(names) or tuple(RIGHTS)


def _users(pairs: Sequence[str]) -> Mapping[str, str]:
    """`relay=alice` for each process whose user is not named as it is."""
    users = dict(USERS)
    for pair in pairs:
        name, _, user = pair.partition("=")
        _check(name, "--user")
        if not (user := user.removeprefix("User:")):
            raise Rejected("invalid_request", f"--user {pair}: write PROCESS=USER, such as relay=alice")
        users[name] = user
    return users


def _check(name: str, option: str) -> None:
    if name not in RIGHTS:
        meant = nearest(name, RIGHTS)
        advice = f"did you mean {meant}?" if meant else f"one of {', '.join(RIGHTS)}"
        raise Rejected("invalid_request", f"{option} {name}: no process that talks to Kafka has this name; {advice}")
