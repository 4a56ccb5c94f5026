"""Plan of the changes that give a broker the topics of schemas.topics. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from schemas.topics import DAY_MS, Topic

RETENTION = "retention.ms"
# events that name objects, or whose bytes may be read again and then need them
_WITHOUT_OBJECTS = frozenset({"JobProgress", "JobControl", "TenantPolicy", "EnhancementResult"})


@dataclass(frozen=True, slots=True)
class Existing:
    """A topic as the broker has it."""

    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Create:
    """A topic that is missing."""

    name: str
    partitions: int
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Grow:
    """A topic with too few partitions."""

    name: str
    has: int
    wants: int

    @property
    def what(self) -> str:
        """The difference, in words that may apply to several topics."""
        return f"{self.has} partitions, wanted {self.wants}"

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


@dataclass(frozen=True, slots=True)
class Alter:
    """A topic with a different setting."""

    name: str
    setting: str
    has: str
    wants: str

    @property
    def what(self) -> str:
        """The difference, in words that may apply to several topics."""
        return f"{self.setting} is {self.has}, wanted {self.wants}"

    def __str__(self) -> str:
        return f"{self.name}: {self.what}"


@dataclass(frozen=True, slots=True)
class Plan:
    """Topics to create, and differences that need consent; more partitions than wanted are no difference.

    `small` are topics with fewer partitions than the table has. They work, so they are no difference.
    """

    create: tuple[Create, ...] = ()
    grow: tuple[Grow, ...] = ()
    small: tuple[Grow, ...] = ()
    alter: tuple[Alter, ...] = ()
    same: tuple[str, ...] = field(default=())

    @property
    def differences(self) -> tuple[Grow | Alter, ...]:
        """Existing topics that differ from the wanted ones."""
        return (*self.grow, *self.alter)

    @property
    def is_done(self) -> bool:
        """Whether the broker has everything that is wanted."""
        return not self.create and not self.differences


def grouped(changes: Iterable[Grow | Alter]) -> dict[str, list[str]]:
    """Names of topics grouped by their common difference."""
    found: dict[str, list[str]] = {}
    for change in changes:
        found.setdefault(change.what, []).append(change.name)
    return found


def plan(wanted: Iterable[Topic], existing: Mapping[str, Existing], partitions: int | None = None) -> Plan:
    """The differences; `partitions` overrides the number for every topic. Nothing is ever shrunk or deleted."""
    create, fewer, alter, same = [], [], [], []
    for topic in wanted:
        count = partitions or topic.partitions
        current = existing.get(topic.name)
        if current is None:
            create.append(Create(topic.name, count, topic.config))
            continue
        altered = _altered(topic, current)
        if current.partitions < count:
            fewer.append(Grow(topic.name, current.partitions, count))
        alter += altered
        if current.partitions >= count and not altered:
            same.append(topic.name)
    grow, small = (fewer, []) if partitions else ([], fewer)
    return Plan(tuple(create), tuple(grow), tuple(small), tuple(alter), tuple(same))


def retention_mistakes(
    wanted: Iterable[Topic], existing: Mapping[str, Existing], object_days: int | None
) -> tuple[str, ...]:
    """Topics that keep records longer than the object store keeps their objects; `object_days` None: for ever."""
    if object_days is None:
        return ()
    return tuple(
        f"{topic.name} keeps records for {days:g} days, the object store keeps what they name for {object_days}"
        for topic in wanted
        if topic.event not in _WITHOUT_OBJECTS and (days := _retention_days(topic, existing)) > object_days
    )


def _retention_days(topic: Topic, existing: Mapping[str, Existing]) -> float:
    current = existing.get(topic.name)
    value = int((current.config if current else topic.config).get(RETENTION, "-1"))
    return float("inf") if value < 0 else value / DAY_MS


def _altered(topic: Topic, current: Existing) -> list[Alter]:
    return [
        Alter(topic.name, setting, current.config.get(setting, "unset"), wants)
        for setting, wants in topic.config.items()
        if _normal(current.config.get(setting)) != _normal(wants)
    ]


def _normal(value: str | None) -> str | None:
    """A setting in a comparable form, since lists such as cleanup.policy may come back in another order."""
    return ",".join(sorted(value.split(","))) if value is not None else None
