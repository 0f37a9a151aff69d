"""Retention: which tags of a namespace go by themselves, by rules that can be tried beforehand.

::

    {"rules": [{"repositories": "web-*", "tags": "pr-*", "keep_last": 5, "keep_days": 14}],
     "keep_untagged_days": 30}

For a tag the first rule counts whose patterns are about it: it goes where neither `keep_last` nor
`keep_days` keeps it. A tag that no rule is about stays. Whatever rules say, what is listed, held by
a bundle, is or was in a channel, or immutable stays; so does a tag about a manifest that is there,
as cosign's signatures are (registry/oci/companions.py). A pattern is written as a shell's; one for
repositories is about the name below the namespace (`web-app` of `team/web-app`).

A tag that went leaves its manifest to the sweep, after the grace or `keep_untagged_days`.
"""

import json
from collections import Counter
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from typing import Annotated, Any

from peewee import fn
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from registry.access import Access, Principal, Verb
from registry.audit import Audit
from registry.batches import chunks
from registry.clock import Clock, moment
from registry.database import Database
from registry.errors import InvalidValue, NamespaceUnknown
from registry.leases import Lease
from registry.oci.companions import subject_of
from registry.oci.contents import Contents
from registry.oci.immutable import find_pattern, read_patterns
from registry.schema import (
    BundleRow,
    ChannelRow,
    ManifestPartRow,
    ManifestRow,
    NamespaceRow,
    PromotionRow,
    ReleaseRow,
    RepositoryRow,
    TagRow,
)
from registry.switches import Switches

_CHUNK = 100
_TRIES = 20
_DAY = 86_400
_Days = Annotated[int, Field(ge=0, le=36_500)]
_Pattern = Annotated[str, Field(min_length=1, max_length=255)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Rule(_Model):
    """Which tags it is about, and which of these it keeps: either reason is enough."""

    repositories: _Pattern = "*"
    tags: _Pattern = "*"
    keep_last: Annotated[int, Field(ge=0, le=1_000_000)] | None = None
    """How many of a repository's tags that it is about stay: those that changed last."""

    keep_days: _Days | None = None
    """For how long a tag stays after it changed."""

    @model_validator(mode="after")
    def _keeps_something(self) -> "Rule":
        if self.keep_last is None and self.keep_days is None:
            raise ValueError("a rule needs keep_last or keep_days; 0 keeps nothing")
        return self


class Retention(_Model):
    """The rules of a namespace."""

    rules: Annotated[tuple[Rule, ...], Field(max_length=50, strict=False)] = ()
    keep_untagged_days: _Days | None = None
    """For how long a manifest stays that lost its tag, or never had one; None: for the grace."""

    @classmethod
    def read(cls, value: object) -> "Retention":
        """Return what JSON says.

        Raises:
            InvalidValue: it isn't of this form; every place is named.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as error:
            problems = [
                f"{'.'.join(map(str, each['loc'])) or 'it'}: {each['msg']}"
                for each in error.errors()
            ]
            raise InvalidValue("retention", json.dumps(value), "; ".join(problems)) from None

    def draw(self) -> str:
        """Return its JSON, as `namespace.retention` has it."""
        return self.model_dump_json(exclude_defaults=True)


@dataclass(frozen=True, slots=True)
class TagFacts:
    """What is known of a tag; `held` says what keeps it whatever the rules say."""

    repository: str
    name: str
    digest: str
    changed: datetime
    held: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a tag goes, and why."""

    tag: TagFacts
    goes: bool
    why: str


def judge(rules: Sequence[Rule], tags: Iterable[TagFacts], now: datetime) -> list[Verdict]:
    """Decide about the tags of one repository, newest first.

    A tag that is held takes no place among those that `keep_last` counts.
    """
    places: Counter[int] = Counter()
    ordered = sorted(tags, key=lambda tag: (tag.changed, tag.name), reverse=True)
    return [_judge_one(rules, tag, places, now) for tag in ordered]


def _judge_one(
    rules: Sequence[Rule], tag: TagFacts, places: Counter[int], now: datetime
) -> Verdict:
    below = tag.repository.partition("/")[2]
    found = next(
        (
            (number, rule)
            for number, rule in enumerate(rules, 1)
            if fnmatchcase(below, rule.repositories) and fnmatchcase(tag.name, rule.tags)
        ),
        None,
    )
    if tag.held is not None:
        return Verdict(tag, goes=False, why=tag.held)
    if found is None:
        return Verdict(tag, goes=False, why="no rule is about it")
    number, rule = found
    places[number] += 1
    if rule.keep_last is not None and places[number] <= rule.keep_last:
        return Verdict(tag, goes=False, why=f"rule {number} keeps the last {rule.keep_last}")
    if rule.keep_days is not None and now - tag.changed < timedelta(days=rule.keep_days):
        return Verdict(tag, goes=False, why=f"rule {number} keeps {rule.keep_days} days")
    reasons = []
    if rule.keep_last is not None:
        reasons.append(f"it is not among the last {rule.keep_last}")
    if rule.keep_days is not None:
        reasons.append(f"it changed over {rule.keep_days} days ago")
    return Verdict(tag, goes=True, why=f"rule {number}: {' and '.join(reasons)}")


@dataclass(slots=True)
class _Decided:
    """Which tags of a repository go, oldest last: as long as its tags' stamp is this one."""

    namespace: NamespaceRow
    stamp: tuple[Any, ...]
    going: list[Verdict]


def retention_of(namespace: NamespaceRow) -> Retention | None:
    """Return the rules of a namespace, or None."""
    return None if namespace.retention is None else Retention.read(json.loads(namespace.retention))


def untagged_until(namespace: NamespaceRow, since: int) -> int:
    """Return until when a manifest stays that has been without a tag `since` then."""
    rules = retention_of(namespace)
    days = None if rules is None else rules.keep_untagged_days
    return 0 if days is None else since + days * _DAY


def longest_untagged() -> int:
    """Return the longest time, in seconds, that any namespace's rules keep what has no tag."""
    ruled = NamespaceRow.select().where(NamespaceRow.retention.is_null(is_null=False))
    return max((untagged_until(namespace, 0) for namespace in ruled), default=0)


class Retentions:
    """Tries and applies rules."""

    def __init__(
        self,
        *,
        database: Database,
        access: Access,
        contents: Contents,
        switches: Switches,
        audit: Audit,
        clock: Clock,
    ) -> None:
        self._database = database
        self._access = access
        self._contents = contents
        self._switches = switches
        self._audit = audit
        self._clock = clock

    def get(self, principal: Principal, namespace: str) -> Retention | None:
        """Return a namespace's rules, or None.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal doesn't own it.
        """
        with self._database.session():
            return retention_of(self._row(principal, namespace))

    def set(self, principal: Principal, namespace: str, rules: Retention | None) -> None:
        """Set a namespace's rules; None takes them away. Nothing goes before they are applied.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal doesn't own it.
        """
        with self._database.write():
            row = self._row(principal, namespace)
            before, after = row.retention, None if rules is None else rules.draw()
            NamespaceRow.update(retention=after).where(NamespaceRow.id == row.id).execute()
            detail = {"retention": {"from": before, "to": after}}
            self._audit.record(principal, "namespace.set", namespace, detail)

    def simulate(
        self, principal: Principal, namespace: str, rules: Retention | None = None
    ) -> Iterator[Verdict]:
        """Yield what would become of each tag, by `rules`, or else by those that are set.

        Raises:
            NotAuthenticated, NamespaceUnknown, Denied: the principal doesn't own it.
        """
        with self._database.session():
            row = self._row(principal, namespace)
            tried = rules or retention_of(row) or Retention()
            repositories = _repositories(row)
        for repository in repositories:
            with self._database.read():
                yield from self._judge(row, repository, tried)

    def apply(
        self,
        principal: Principal,
        namespace: str,
        told: Callable[[Verdict], None] = lambda _: None,
        lease: Lease | None = None,
    ) -> int:
        """Delete the tags that the rules let go; return how many.

        Their manifests are left to the sweep. A repository whose tags change meanwhile is decided
        anew, so that nothing goes which the rules keep as things are then; one that changes all
        the time is left to the next time.

        Raises:
            ReadOnly: nothing may be written now.
            LeaseLost: it is done under a lease, which another took over.
            NotAuthenticated, NamespaceUnknown, Denied: the principal doesn't own it.
        """
        with self._database.session():
            row = self._row(principal, namespace)
            rules = retention_of(row)
            repositories = [] if rules is None else _repositories(row)
        count = 0
        for repository in repositories:
            for _ in range(_TRIES):
                decided = self._decide(row, repository)
                while decided.going:
                    gone = self._delete_some(principal, repository, decided, lease)
                    for verdict in gone:
                        told(verdict)
                    count += len(gone)
                    if not gone:
                        break
                else:
                    break
        return count

    def due(self) -> list[str]:
        """Return the namespaces that have rules."""
        with self._database.session():
            rows = NamespaceRow.select().where(~NamespaceRow.retention.is_null())
            return [row.name for row in rows.order_by(NamespaceRow.name)]

    def _decide(self, namespace: NamespaceRow, repository: RepositoryRow) -> "_Decided":
        """Decide which tags of a repository go, without a lock: it takes its time."""
        with self._database.read():
            row = NamespaceRow.get_by_id(namespace.id)
            rules = retention_of(row)
            verdicts = [] if rules is None else self._judge(row, repository, rules)
            going = [verdict for verdict in verdicts if verdict.goes]
            return _Decided(row, _stamp(repository), going)

    def _delete_some(
        self,
        principal: Principal,
        repository: RepositoryRow,
        decided: "_Decided",
        lease: Lease | None,
    ) -> list[Verdict]:
        """Delete some of the tags that were decided about; none where tags changed since then."""
        chunk = decided.going[-_CHUNK:]  # oldest last: what stays is decided by what is newer
        namespace = decided.namespace
        with self._database.write(namespace.name):
            self._switches.require_writable()
            if lease is not None:
                lease.hold()
            now = NamespaceRow.get_by_id(namespace.id)
            if _stamp(repository) != decided.stamp or now.retention != namespace.retention:
                return []
            names = [verdict.tag.name for verdict in chunk]
            decided_about = {verdict.tag for verdict in chunk}
            if set(_facts(now, repository, names)) != decided_about:
                return []  # pushed again in a second that the stamp has; immutable; promoted
            self._contents.delete_tags(repository, names)
            for verdict in chunk:
                self._audit.record(
                    principal,
                    "tag.delete",
                    f"{repository.name}:{verdict.tag.name}",
                    {"digest": verdict.tag.digest, "retention": verdict.why},
                )
            decided.stamp = _stamp(repository)
        del decided.going[-_CHUNK:]
        return chunk

    def _judge(
        self, namespace: NamespaceRow, repository: RepositoryRow, rules: Retention
    ) -> list[Verdict]:
        return judge(rules.rules, _facts(namespace, repository), self._clock())

    def _row(self, principal: Principal, name: str) -> NamespaceRow:
        self._access.require(principal, Verb.OWN, name)
        row = NamespaceRow.get_or_none(NamespaceRow.name == name)
        if row is None:
            raise NamespaceUnknown(name)
        return row


def _repositories(namespace: NamespaceRow) -> list[RepositoryRow]:
    rows = RepositoryRow.select().where(RepositoryRow.namespace == namespace)
    return list(rows.order_by(RepositoryRow.name))


def _stamp(repository: RepositoryRow) -> tuple[Any, ...]:
    """Return what changes as a repository's tags do, but for one that changes twice a second."""
    columns = (fn.COUNT(TagRow.id), fn.MAX(TagRow.changed), fn.MAX(TagRow.id))
    query: Any = TagRow.select(*columns, fn.SUM(TagRow.manifest))
    found: tuple[Any, ...] = query.where(TagRow.repository == repository).tuples().get()
    return found


def _facts(
    namespace: NamespaceRow, repository: RepositoryRow, names: Sequence[str] | None = None
) -> list[TagFacts]:
    """Return what is known of a repository's tags, or of those that are named."""
    query = TagRow.select(TagRow, ManifestRow).join(ManifestRow)
    query = query.where(TagRow.repository == repository)
    if names is not None:
        query = query.where(TagRow.name.in_(list(names)))
    patterns = read_patterns(namespace)
    held = _held(repository)
    rows = list(query)
    subjects = _subjects(repository, rows)
    return [
        TagFacts(
            repository=repository.name,
            name=row.name,
            digest=row.manifest.digest,
            changed=moment(row.changed),
            held=_why(row, patterns, held, subjects),
        )
        for row in rows
    ]


def _subjects(repository: RepositoryRow, tags: Sequence[TagRow]) -> set[str]:
    """Return the digests that tags are about and that the repository has."""
    about = {subject for tag in tags if (subject := subject_of(tag.name)) is not None}
    found: set[str] = set()
    for chunk in chunks(about):
        query: Any = ManifestRow.select(ManifestRow.digest).where(
            (ManifestRow.repository == repository) & ManifestRow.digest.in_(chunk)
        )
        found |= {digest for (digest,) in query.tuples()}
    return found


def _why(
    row: TagRow, patterns: Sequence[str], held: Mapping[str, str], subjects: Container[str]
) -> str | None:
    pattern = find_pattern(patterns, row.name)
    if pattern is not None:
        return f"it is immutable, by the pattern {pattern}"
    if row.manifest.digest in held:
        return held[row.manifest.digest]
    subject = subject_of(row.name)
    if subject is not None and subject in subjects:
        return f"it is about {subject}, and goes with it"
    return "the server made it" if row.is_server_owned else None


def _held(repository: RepositoryRow) -> dict[str, str]:
    """Return why manifests of a repository stay tagged, by digest; the strongest reason."""
    found: dict[str, str] = {}
    bundles: Any = (
        BundleRow.select(ManifestRow.id, ManifestRow.digest)
        .join(ManifestRow)
        .where(BundleRow.repository == repository)
    )
    for manifest_id, digest in bundles.tuples():
        found[digest] = "it is a bundle"
        parts: Any = ManifestPartRow.select(ManifestPartRow.digest)
        for (part,) in parts.where(ManifestPartRow.manifest == manifest_id).tuples():
            found.setdefault(part, f"the bundle {digest} holds it")
    promoted: Any = (
        PromotionRow.select(ManifestRow.digest, ChannelRow.name)
        .join(ChannelRow)
        .switch(PromotionRow)
        .join(BundleRow)
        .join(ManifestRow)
        .where(ChannelRow.repository == repository)
    )
    for digest, channel in promoted.tuples():
        found[digest] = f"it is or was in the channel {channel}"
    releases: Any = (
        ReleaseRow.select(ManifestRow.digest, ReleaseRow.version)
        .join(ManifestRow)
        .where(ReleaseRow.repository == repository)
    )
    for digest, version in releases.tuples():
        found[digest] = f"the release {version} is listed"
    return found
