"""What can go wrong while solving.

::

    ResolverError
    ├── InvalidText (also a ValueError)
    │   ├── InvalidVersion      not SemVer 2.0.0 without build metadata, or too long
    │   ├── InvalidRange        a range that can't be read
    │   ├── InvalidRequirement  a requirement that can't be read
    │   └── InvalidEnvironment  a python or platform that can't be solved for
    ├── SelfRequirement         a release that requires its own package
    ├── InvalidDocument
    │   ├── UnsupportedSchema   a document of a schema version that isn't understood
    │   ├── InvalidIndex        index bytes that aren't what they should be
    │   ├── InvalidLock         a lock that was damaged, or edited into nonsense
    │   └── InvalidAcceptance   what a bundle may hold, as it can't be read
    ├── IndexMoved              an answer of the index that is newer than the solve's revision
    ├── PinChanged              a pinned version that the index lists with another digest
    ├── ResolutionImpossible    nothing satisfies the requirements; carries why
    ├── TooManyRounds           the search reached its limit; carries what it was stuck on
    └── SolveCancelled          somebody asked the search to end

    Unread (of no tree)         a source can't say now what there is of a package
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from resolver.explain import Explanation

_SHOWN = 100


class ResolverError(Exception):
    """Base of everything that `resolver` raises."""


class InvalidText(ResolverError, ValueError):
    """A text outside of its grammar: `kind` is what it should be, `reason` which rule it breaks."""

    kind = "text"

    def __init__(self, text: str, reason: str) -> None:
        self.text = text
        self.reason = reason
        super().__init__(f"not a {self.kind}: {text[:_SHOWN]!r} ({reason})")


class InvalidVersion(InvalidText):
    """Not SemVer 2.0.0 without build metadata, or over 64 characters."""

    kind = "version"


class InvalidRange(InvalidText):
    """Not a range of versions."""

    kind = "range of versions"


class InvalidRequirement(InvalidText):
    """Not a requirement on a package."""

    kind = "requirement"


class InvalidEnvironment(InvalidText):
    """Not a python minor version, a range of them, or a platform."""

    kind = "python version, python range or platform"


class SelfRequirement(ResolverError, ValueError):
    """A release of `package` that requires `package`."""

    def __init__(self, package: object, version: object) -> None:
        self.package = str(package)
        self.version = str(version)
        super().__init__(
            f"{package} {version} requires itself; leave {package} out of its requirements"
        )


class InvalidDocument(ResolverError):
    """A document that can't be used: `document` names it, `where` the place in it."""

    document = "document"

    def __init__(self, where: str, reason: str) -> None:
        self.where = where
        self.reason = reason
        super().__init__(f"not a valid {self.document}: {where}: {reason}")


class UnsupportedSchema(InvalidDocument):
    """A document of the schema version `found`, where only `understood` is understood."""

    def __init__(self, document: str, *, found: object, understood: int) -> None:
        self.document = document
        self.found = found
        self.understood = understood
        super().__init__(
            "schema_version",
            f"{str(found)[:_SHOWN]} is not understood, only {understood} is; "
            "a newer recipebox may understand it",
        )


class InvalidIndex(InvalidDocument):
    """Bytes that are not the index of a package."""

    document = "package index"


class InvalidLock(InvalidDocument):
    """A text that is not a lock, or one that contradicts itself."""

    document = "lock"


class InvalidAcceptance(InvalidDocument):
    """Bytes that don't say what an application's bundles refuse, or a rule that isn't known."""

    document = "acceptance of an application"


class IndexMoved(ResolverError):
    """The index of `package` changed at revision `found`, after the `revision` that is solved."""

    def __init__(self, package: object, *, found: int, revision: int) -> None:
        self.package = str(package)
        self.found = found
        self.revision = revision
        super().__init__(
            f"the index moved while it was read: {package} changed at revision {found}, "
            f"but this solve is of revision {revision}; solve again"
        )


class PinChanged(ResolverError):
    """`package` `version` is locked as `expected`, and the index lists it as `found`."""

    def __init__(
        self, package: object, version: object, *, expected: object, found: object
    ) -> None:
        self.package = str(package)
        self.version = str(version)
        self.expected = str(expected)
        self.found = str(found)
        super().__init__(
            f"{package} {version} is locked as {expected}, but the index lists it as {found}; "
            "a listed release never changes, so don't trust this index before you know why"
        )


class ResolutionImpossible(ResolverError):
    """Nothing satisfies the requirements; `explanation` holds the facts that can't all be."""

    def __init__(self, explanation: "Explanation") -> None:
        self.explanation = explanation
        super().__init__("\n".join(explanation.sentences))


class TooManyRounds(ResolverError):
    """The search reached `rounds` rounds and doesn't know the answer yet.

    `stuck_on` holds sentences: what the last conflict was about, empty where there was none.
    """

    def __init__(self, rounds: int, stuck_on: Sequence[str] = ()) -> None:
        self.rounds = rounds
        self.stuck_on = tuple(stuck_on)
        headline = (
            f"no answer after {rounds:,} rounds of search; narrow the requirements "
            "(an upper bound on a package with many releases helps most), or raise the limit"
        )
        lines = [headline]
        if self.stuck_on:
            lines += ["The last thing that didn't fit:", *self.stuck_on]
        super().__init__("\n".join(lines))


class SolveCancelled(ResolverError):
    """The search was asked to end, and did after `rounds` rounds."""

    def __init__(self, rounds: int) -> None:
        self.rounds = rounds
        super().__init__(f"cancelled after {rounds:,} rounds of search; nothing was written")


class Unread(Exception):
    """Base for a source's errors that say: what there is of a package can't be read now.

    A requirement that needs it can't be solved then; a hint that would need it isn't given.
    """
