"""What the registry refuses, and why. Errors carry values; web/ maps them to status and JSON.

::

    RegistryError
    ├── AccessError
    │   ├── InvalidToken             no such token, or another secret
    │   │   └── ExpiredToken         it was good until a time
    │   ├── NotAuthenticated         an anonymous request for what isn't public
    │   ├── Denied                   known and readable, but the role doesn't allow the verb
    │   └── OutOfScope               the principal may, but its bearer token is for something else
    ├── NotFound                     missing, or private to others: the two can't be told apart
    │   ├── NamespaceUnknown
    │   ├── RepositoryUnknown
    │   ├── ManifestUnknown
    │   ├── BlobUnknown
    │   ├── UploadUnknown
    │   ├── PackageUnknown
    │   ├── ReleaseUnknown
    │   ├── ApplicationUnknown
    │   ├── ChannelUnknown
    │   ├── BundleUnknown
    │   └── TokenUnknown
    ├── Invalid                      what was sent can't be taken
    │   ├── ManifestTooLarge
    │   ├── ManifestBlobUnknown      a manifest that needs blobs or manifests that aren't there
    │   ├── WrongKind                a name is one thing: package, application or plain
    │   ├── BodyTooShort             the body ended before its announced length
    │   ├── InvalidKey               not a key that a namespace may have
    │   ├── InvalidRelease           not what a release must be
    │   ├── InvalidBundle            a lock whose parts don't hold
    │   ├── InvalidValue             a field with a value outside of its rule
    │   ├── Unsolvable               requirements that nothing satisfies; says why
    │   └── SolveEnded               a solve that reached its limit of time or rounds
    ├── Untrusted                    a signature is missing, or doesn't hold
    ├── Conflict
    │   ├── NamespaceExists
    │   ├── ShowsPrivate             a namespace that can't be public, for what its bundles hold
    │   ├── ReleaseExists            the same version with other bytes
    │   ├── OffsetConflict           an upload holds another number of bytes
    │   ├── UploadInUse              another request writes to the upload
    │   ├── ServerOwned              a tag of the server's: a release's or a channel's
    │   ├── TagImmutable             a tag that the namespace holds where it is
    │   ├── InUse                    can't be deleted: what needs it is named
    │   ├── QuotaExceeded            more bytes than the namespace may use
    │   ├── PointerMoved             the channel isn't where the promotion expected it
    │   ├── LeaseHeld                another process does this work now
    │   ├── LeaseLost                another process took this work over
    │   └── GateClosed               a gate of the channel refuses the bundle
    ├── SolverBusy                   as many solves run as may run at once
    ├── ReadOnly                     an operator lets nobody write for now
    ├── DatabaseUnavailable          not now: what failed may work in a moment
    │   ├── DatabaseAway             can't be reached, or has no room or memory
    │   └── DatabaseBusy             others held what was needed for too long
    ├── StoreElsewhere               a store with nothing of what the database names
    ├── UnusableKey                  a file that isn't the key that it should hold
    └── SchemaError
        ├── SchemaTooNew             made by a later version of Recipebox
        ├── SchemaNotReady           migrations haven't run
        ├── NoRegistry               nothing was ever kept there
        ├── DatabaseUnusable         not a database, or one that can't be read or written
        └── CopyFailed               no copy could be made before a migration
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resolver.explain import Explanation


def _article(noun: str) -> str:
    return f"{'an' if noun[:1] in 'aeiou' else 'a'} {noun}"


_MOST_TOLD = 10
"""Digests that a sentence names at most: a manifest may have 40,000 parts."""


class RegistryError(Exception):
    """Base of everything that `registry` raises; `hint` says what to do, where that isn't clear."""

    hint: str | None = None


class AccessError(RegistryError):
    """Base of refusals that are about who asks."""


class InvalidToken(AccessError):
    """A token that isn't one of ours, is revoked, or has another secret."""

    hint = "log in again, or ask an administrator for a token"

    def __init__(self, reason: str = "no such token, or it is revoked") -> None:
        self.reason = reason
        super().__init__(f"the token was refused: {reason}")


class ExpiredToken(InvalidToken):
    """The token `name` was good until `expired`."""

    def __init__(self, name: str, expired: datetime) -> None:
        self.name = name
        self.expired = expired
        super().__init__(f"it expired at {expired:%Y-%m-%dT%H:%M:%SZ} (token of {name!r})")


class NotAuthenticated(AccessError):
    """An anonymous request for `what`, which isn't public (or isn't there)."""

    hint = "log in with a token: recipebox login"

    def __init__(self, what: str) -> None:
        self.what = what
        super().__init__(f"{what} needs a log-in")


class Denied(AccessError):
    """The principal `who` may not `verb` on `what`."""

    def __init__(self, who: str, verb: str, what: str, reason: str) -> None:
        self.who = who
        self.verb = verb
        self.what = what
        self.reason = reason
        super().__init__(f"{who} may not {verb} on {what}: {reason}")


class OutOfScope(AccessError):
    """A bearer token that wasn't made for `verb` on `what`, though whose it is may do that."""

    hint = "ask for a bearer token with that scope"

    def __init__(self, what: str, verb: str) -> None:
        self.what = what
        self.verb = verb
        super().__init__(f"the bearer token isn't for {verb} on {what}")


class NotFound(RegistryError):
    """Nothing called `name` that the principal may know of; `kind` is what was looked for."""

    kind = "thing"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"no {self.kind} {name}, or it is private to others")


class NamespaceUnknown(NotFound):
    """No such namespace."""

    kind = "namespace"


class RepositoryUnknown(NotFound):
    """No such repository."""

    kind = "repository"


class ManifestUnknown(NotFound):
    """No such manifest or tag, as `repository@digest` or `repository:tag`."""

    kind = "manifest"


class BlobUnknown(NotFound):
    """No such blob, as `repository@digest`."""

    kind = "blob"


class UploadUnknown(NotFound):
    """No such upload, or it has ended."""

    kind = "upload"
    hint = "start another upload"


class PackageUnknown(NotFound):
    """No such package."""

    kind = "package"


class ReleaseUnknown(NotFound):
    """No such release, as `package@version`."""

    kind = "release"


class ApplicationUnknown(NotFound):
    """No such application."""

    kind = "application"
    hint = "the first promotion of a lock creates it"


class ChannelUnknown(NotFound):
    """No such channel, as `application/channel`; `known` are those there are."""

    kind = "channel"

    def __init__(self, name: str, known: Sequence[str]) -> None:
        self.known = tuple(known)
        super().__init__(name)
        self.hint = f"its channels are {', '.join(known)}"


class BundleUnknown(NotFound):
    """No such bundle, as `application@digest`."""

    kind = "bundle"


class TokenUnknown(NotFound):
    """No such token, by its public id."""

    kind = "token"


class Invalid(RegistryError):
    """Base of what was sent and can't be taken."""


class ManifestTooLarge(Invalid):
    """A manifest over `limit` bytes."""

    def __init__(self, size: int, limit: int) -> None:
        self.size = size
        self.limit = limit
        super().__init__(f"a manifest of {size} bytes; the limit is {limit}")


class ManifestBlobUnknown(Invalid):
    """A manifest that needs `digests`, which `repository` doesn't hold."""

    hint = "push the blobs and child manifests first, then the manifest"

    def __init__(self, repository: str, digests: Sequence[str]) -> None:
        self.repository = repository
        self.digests = tuple(digests)
        more = len(digests) - _MOST_TOLD
        said = ", ".join(digests[:_MOST_TOLD]) + (f" and {more} more" if more > 0 else "")
        super().__init__(f"{repository} doesn't hold {said}, which the manifest needs")


class WrongKind(Invalid):
    """`name` is a `found`, and can't be or take a `wanted`."""

    def __init__(self, name: str, *, found: str, wanted: str) -> None:
        self.name = name
        self.found = found
        self.wanted = wanted
        super().__init__(
            f"{name} is {_article(found)} and can't take {_article(wanted)}: a name is one thing"
        )


class BodyTooShort(Invalid):
    """A body that ended after `found` of `expected` bytes; `size` of the upload are kept."""

    def __init__(self, upload_id: str, *, expected: int, found: int, size: int) -> None:
        self.upload_id = upload_id
        self.expected = expected
        self.found = found
        self.size = size
        super().__init__(
            f"the body ended after {found} of {expected} bytes; the upload holds {size}: go on"
        )


class InvalidKey(Invalid):
    """Key material that a namespace can't have."""

    def __init__(self, namespace: str, reason: str) -> None:
        self.namespace = namespace
        self.reason = reason
        super().__init__(f"not a key for {namespace}: {reason}")


class InvalidRelease(Invalid):
    """`digest` in `package` can't be a release: `reason`, at `where`."""

    def __init__(self, package: str, digest: str, where: str, reason: str) -> None:
        self.package = package
        self.digest = digest
        self.where = where
        self.reason = reason
        super().__init__(f"{package}@{digest} can't be admitted: {where}: {reason}")


class InvalidBundle(Invalid):
    """A bundle of `application` can't be made; `problems` names every part and its fault."""

    def __init__(self, application: str, problems: Sequence[str]) -> None:
        self.application = application
        self.problems = tuple(problems)
        super().__init__(f"no bundle for {application}: {'; '.join(problems)}")


class InvalidValue(Invalid):
    """The field `field` with `value`, which breaks `rule`."""

    def __init__(self, field: str, value: str, rule: str) -> None:
        self.field = field
        self.value = value
        self.rule = rule
        super().__init__(f"{field} is {value[:100]!r}, but must be {rule}")


class Untrusted(RegistryError):
    """No good signature on `what`: expected is who must have signed, found what was there."""

    def __init__(self, what: str, *, expected: str, found: str) -> None:
        self.what = what
        self.expected = expected
        self.found = found
        super().__init__(f"{what} isn't trusted: expected {expected}, found {found}")


class Conflict(RegistryError):
    """Base of what clashes with what is there."""


class NamespaceExists(Conflict):
    """The namespace `name` is taken."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"the namespace {name} is taken")


class ShowsPrivate(Conflict):
    """The namespace `name` can't be public: `shown` is what its bundles hold that is private."""

    hint = "make their namespaces public first, or keep this one private"

    def __init__(self, name: str, shown: Sequence[str]) -> None:
        self.name = name
        self.shown = tuple(shown)
        super().__init__(
            f"{name} can't be public: its applications hold {', '.join(shown)}, which is private"
        )


class ReleaseExists(Conflict):
    """`package` `version` is listed with the digest `listed`, and `offered` is another."""

    hint = "a version never changes: publish these bytes as another version"

    def __init__(self, package: str, version: str, *, listed: str, offered: str) -> None:
        self.package = package
        self.version = version
        self.listed = listed
        self.offered = offered
        super().__init__(
            f"{package} {version} is listed as {listed}; the bytes offered now are {offered}"
        )


class StagedChanged(Conflict):
    """What was pushed of `what` isn't all there any more: `gone` went while it was looked at."""

    hint = "push it again, and publish it then"

    def __init__(self, what: str, gone: Sequence[str]) -> None:
        self.what = what
        self.gone = tuple(gone)
        super().__init__(f"{what} changed while it was looked at: {', '.join(gone)} went")


class OffsetConflict(Conflict):
    """Bytes for `found`, where the upload holds `size`."""

    def __init__(self, upload_id: str, *, size: int, found: int) -> None:
        self.upload_id = upload_id
        self.size = size
        self.found = found
        super().__init__(f"the upload holds {size} bytes; bytes were sent for {found}")


class UploadInUse(Conflict):
    """Another request writes to the upload at this moment."""

    hint = "wait for the other request to end, ask for the upload's size, and go on there"

    def __init__(self, upload_id: str) -> None:
        self.upload_id = upload_id
        super().__init__(f"another request is writing to the upload {upload_id}")


class ServerOwned(Conflict):
    """The tag `tag` of `repository` is the server's: `reason` says what it stands for."""

    def __init__(self, repository: str, tag: str, reason: str) -> None:
        self.repository = repository
        self.tag = tag
        self.reason = reason
        super().__init__(f"the tag {repository}:{tag} belongs to the server: {reason}")


class TagImmutable(Conflict):
    """The tag `tag` of `repository` stays where it is: its namespace's `pattern` holds it."""

    hint = "push under another tag; whoever administers the namespace can change its patterns"

    def __init__(self, repository: str, tag: str, *, pattern: str, digest: str) -> None:
        self.repository = repository
        self.tag = tag
        self.pattern = pattern
        self.digest = digest
        super().__init__(
            f"the tag {repository}:{tag} is immutable (by the pattern {pattern!r}): it names "
            f"{digest}, and can't be moved or deleted"
        )


class InUse(Conflict):
    """`what` can't be deleted, since `needed_by` needs it."""

    def __init__(self, what: str, needed_by: Sequence[str]) -> None:
        self.what = what
        self.needed_by = tuple(needed_by)
        super().__init__(f"{what} can't be deleted: it is needed by {', '.join(needed_by)}")


class QuotaExceeded(Conflict):
    """`asked` bytes more, where `namespace` uses `used` of the `quota` that it may use."""

    hint = "delete what isn't needed, or ask an administrator for a larger quota"

    def __init__(self, namespace: str, *, quota: int, used: int, asked: int) -> None:
        self.namespace = namespace
        self.quota = quota
        self.used = used
        self.asked = asked
        super().__init__(
            f"{namespace} uses {used} of its quota of {quota} bytes; {asked} more don't fit"
        )


class PointerMoved(Conflict):
    """`channel` points to `found`, not to `expected`."""

    hint = "look at what the channel holds now, and promote again if you still want to"

    def __init__(
        self, application: str, channel: str, *, expected: str | None, found: str | None
    ) -> None:
        self.application = application
        self.channel = channel
        self.expected = expected
        self.found = found
        super().__init__(
            f"{application} {channel} holds {found or 'nothing'}, not {expected or 'nothing'}: "
            "another promotion came first"
        )


class GateClosed(Conflict):
    """Gates of `channel` that refuse `bundle`: `reasons` has one sentence each."""

    def __init__(self, application: str, channel: str, bundle: str, reasons: Sequence[str]) -> None:
        self.application = application
        self.channel = channel
        self.bundle = bundle
        self.reasons = tuple(reasons)
        super().__init__(f"{application} {channel} refuses {bundle}: {'; '.join(reasons)}")


class LeaseHeld(Conflict):
    """The work `name` is done by `holder`, which must give a sign until `until`."""

    hint = "wait until it is done; one that died is succeeded once that time has passed"

    def __init__(self, name: str, holder: str, until: datetime) -> None:
        self.name = name
        self.holder = holder
        self.until = until
        super().__init__(
            f"another process does the {name} now: {holder}, until {until:%Y-%m-%dT%H:%M:%SZ}"
        )


class LeaseLost(Conflict):
    """The work `name` was taken over by another process; nothing half done is left."""

    hint = "this process stood still for too long, or its clock jumped; start the work again"

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(f"another process took the {name} over from this one")


class ReadOnly(RegistryError):
    """Nothing can be written for now; `reason` is the operator's."""

    hint = "pulling works; try again later"

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(f"the registry is read-only: {reason}")


class DatabaseUnavailable(RegistryError):
    """The database at `place` can't do it now, for `reason` (the driver's words)."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"the database {place} {self.said}: {reason}")

    said = "is not available"


class DatabaseAway(DatabaseUnavailable):
    """It can't be reached or written: it is stopped, cut off, or out of room or memory."""

    hint = "see that it runs and can be reached, and that its disk has room"
    said = "is away"


class DatabaseBusy(DatabaseUnavailable):
    """Other transactions held what was needed for too long; nothing was changed."""

    hint = "try again in a moment"
    said = "is busy"


class StoreElsewhere(RegistryError):
    """The store and the database have nothing in common: one of the two is another registry's.

    `named` blobs are the database's, of which the store has none; `unknown` are the store's.
    """

    hint = (
        "see that the right database is named, and the right store: its disk mounted, its bucket "
        "and prefix. If all bytes are lost indeed, say so with --all-lost"
    )

    def __init__(self, *, named: int, unknown: int) -> None:
        self.named = named
        self.unknown = unknown
        super().__init__(
            f"nothing was mended: the database names {named} blobs in the store, which has none of "
            f"these, and {unknown} that the database does not name"
        )


class UnusableKey(RegistryError):
    """The file at `path` isn't `expected`."""

    hint = "give another file, or remove the setting: then a key is made in the data folder"

    def __init__(self, path: str, expected: str) -> None:
        self.path = path
        self.expected = expected
        super().__init__(f"{path}: expected {expected}, found something else")


class SchemaError(RegistryError):
    """Base of a database that this version can't work with."""


class SchemaTooNew(SchemaError):
    """The database has the schema `found`; this version knows up to `known`."""

    hint = "start the version of Recipebox that wrote it, or a later one"

    def __init__(self, place: str, *, found: str, known: str) -> None:
        self.place = place
        self.found = found
        self.known = known
        super().__init__(
            f"{place} has schema {found}, but this version knows schemas up to {known}"
        )


class SchemaNotReady(SchemaError):
    """Migrations haven't run: `missing` are still to come."""

    hint = "start the server with 'recipebox serve', which runs them"

    def __init__(self, place: str, missing: Sequence[str]) -> None:
        self.place = place
        self.missing = tuple(missing)
        super().__init__(f"{place} lacks the migrations {', '.join(missing)}")


class NoRegistry(SchemaError):
    """The database at `place` isn't there, or has nothing in it."""

    hint = "name the server's data folder, and its database; 'recipebox serve' makes a new registry"

    def __init__(self, place: str) -> None:
        self.place = place
        super().__init__(f"there is no registry in {place}")


class DatabaseUnusable(SchemaError):
    """The database at `place` can't be worked with, for `reason` (the driver's words)."""

    hint = "see that the file is whole and writable, or bring it back from a backup"

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"the database {place} can't be used: {reason}")


class CopyFailed(SchemaError):
    """The database at `place` could not be copied before the migration `before`, for `reason`."""

    hint = "mend that; or make a copy yourself, and start again with RECIPEBOX_MIGRATION_COPY=false"

    def __init__(self, place: str, before: str, reason: str) -> None:
        self.place = place
        self.before = before
        self.reason = reason
        super().__init__(f"{place} can't be copied before the migration {before}: {reason}")


class Unsolvable(Invalid):
    """Nothing satisfies the requirements: `sentences` say why, `explanation` does for machines.

    `told` is what both were made from.
    """

    def __init__(self, told: "Explanation") -> None:
        self._told = told
        self.sentences = list(told.sentences)
        self.explanation = told.to_json()
        super().__init__(" ".join(self.sentences))

    @property
    def told(self) -> "Explanation":
        """The explanation."""
        return self._told


class SolveEnded(Invalid):
    """A solve reached its limit of `seconds` or `rounds`, and knows no answer; `known`: the rest.

    The one that it didn't reach is None.
    """

    hint = "narrow the requirements, or solve with `recipebox lock`, which takes the time it needs"

    def __init__(self, *, seconds: float | None, rounds: int | None, known: str) -> None:
        self.seconds = seconds
        self.rounds = rounds
        self.known = known
        limit = f"{seconds:g} seconds" if seconds is not None else f"{rounds:,} rounds of search"
        super().__init__(f"no answer after {limit}, which is this server's limit: {known}")


class SolverBusy(RegistryError):
    """`limit` solves run in this process already; another may begin in `retry_after` seconds."""

    hint = "try again, or solve with `recipebox lock`, which needs the index alone"

    def __init__(self, *, limit: int, retry_after: int) -> None:
        self.limit = limit
        self.retry_after = retry_after
        said = f"the server solves for others now ({limit} at once in a process)"
        super().__init__(said if limit else "solving is switched off here (solves_at_once is 0)")
