"""What a release must be to go into a bundle of an application, and so into its channels.

One decision for all who make it: the server, when it makes a bundle, at the gates of a channel and
in its own solves, and a client that solves for an application (`recipebox lock --for`). A client
reads its values from the server, `GET /api/v1/applications/team/shop/acceptance`, in RFC 8785
bytes::

    {
      "schema_version": 1,
      "application": "team/shop",
      "exists": true,                                 false: its first bundle makes it
      "refuses": ["private", "unsigned", "yanked"],   rules, see RULES; sorted
      "private": ["acme"]                             namespaces, sorted: of those that who asks may
    }                                                 read, which are private; empty where that is
                                                      no matter

The rules are those of the application's namespace. In a private one an application may hold what is
private; a public one would show it to everybody.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from artifacts.manifest import encode
from artifacts.reference import PackageName
from resolver.candidate import Candidate
from resolver.errors import InvalidAcceptance, UnsupportedSchema

SCHEMA_VERSION: Final = 1
"""The version of the format that is written and understood."""

Rule: TypeAlias = Literal["yanked", "unsigned", "private"]
"""What a part must not be."""

RULES: Final[tuple[Rule, ...]] = ("yanked", "unsigned", "private")
"""Every rule, in the order in which its reasons are told."""


@dataclass(frozen=True, slots=True)
class Part:
    """A release, as it is judged: its package's name, who signed it, and why it was yanked."""

    name: str
    version: str
    signers: tuple[str, ...]
    yanked: str | None

    @property
    def namespace(self) -> str:
        """The namespace of its package."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Acceptance:
    """What bundles of `application` refuse.

    `private` are namespaces whose packages would be shown where they may not be; `exists` is False
    where the application has no bundle yet.
    """

    application: PackageName
    exists: bool
    refuses: frozenset[Rule]
    private: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls, application: PackageName, *, exists: bool, is_public: bool, private: Iterable[str]
    ) -> "Acceptance":
        """Return the rules of an application in a namespace that is public, or isn't.

        Of `private`, the namespaces that are, only a public one takes notice.
        """
        if is_public:
            return cls(application, exists, frozenset(RULES), frozenset(private))
        return cls(application, exists, frozenset(RULES) - {"private"})

    def refusals(self, part: Part) -> tuple[str, ...]:
        """Return why a bundle can't hold a part, a sentence for each rule; nothing where it can."""
        sentences: dict[Rule, str] = {
            "yanked": f"{part.name} {part.version} was yanked: {part.yanked}",
            "unsigned": f"{part.name} {part.version} is unsigned",
            "private": self._shown(part.name),
        }
        broken = self._broken(part.namespace, part.signers, part.yanked)
        return tuple(sentences[rule] for rule in broken)

    def why_not(self, candidate: Candidate) -> str | None:
        """Return why a solve may not choose a candidate, as follows on `because`, or None.

        It is `resolver.solve.solve`'s `refused`. A yanked one is refused even where a lock has it.
        """
        yanked = None if candidate.yanked is None else candidate.yanked.reason
        broken = self._broken(candidate.name.namespace, candidate.signers, yanked)
        if not broken:
            return None
        held = f"a bundle of {self.application} holds nothing"
        reasons: dict[Rule, str] = {
            "yanked": f"it was yanked ({yanked}); {held} yanked",
            "unsigned": f"it is unsigned; {held} unsigned",
            "private": self._shown("it"),
        }
        return reasons[broken[0]]

    def _broken(self, namespace: str, signers: tuple[str, ...], yanked: str | None) -> list[Rule]:
        """Return the rules that a release breaks, in their order."""
        states = (yanked is not None, not signers, namespace in self.private)
        return [
            rule
            for rule, is_so in zip(RULES, states, strict=True)
            if is_so and rule in self.refuses
        ]

    def _shown(self, package: str) -> str:
        return f"{package} is private, and {self.application} would show it to everybody"

    def encode(self) -> bytes:
        """Return the RFC 8785 bytes that `parse_acceptance` reads."""
        return encode(
            {
                "schema_version": SCHEMA_VERSION,
                "application": str(self.application),
                "exists": self.exists,
                "refuses": sorted(self.refuses),
                "private": sorted(self.private),
            }
        )


def parse_acceptance(data: bytes) -> Acceptance:
    """Read what an application's bundles refuse.

    Raises:
        UnsupportedSchema: it has another schema version.
        InvalidAcceptance: it isn't JSON, or a member is missing, unknown or wrong; a rule that
            isn't known is refused, too, since it can't be kept to.
    """
    from resolver import documents

    try:
        drawn = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidAcceptance("the document", f"not JSON: {error}") from error
    found = drawn.get("schema_version") if isinstance(drawn, dict) else SCHEMA_VERSION
    if type(found) is not int or found != SCHEMA_VERSION:
        raise UnsupportedSchema("acceptance", found=found, understood=SCHEMA_VERSION)
    document = documents.read(documents.AcceptanceDocument, drawn, InvalidAcceptance)
    known: dict[str, Rule] = {rule: rule for rule in RULES}
    for rule in document.refuses:
        if rule not in known:
            raise InvalidAcceptance(
                "refuses",
                f"{document.application} has the rule {rule[:100]!r}, which this version doesn't "
                "know, and can't solve for; a newer recipebox may",
            )
    return Acceptance(
        document.application,
        document.exists,
        frozenset(known[rule] for rule in document.refuses),
        frozenset(document.private),
    )


def acceptance_schema() -> dict[str, Any]:
    """Return the JSON Schema of an acceptance (`/schemas/acceptance.json`)."""
    from resolver import documents

    return documents.schema(documents.AcceptanceDocument, "Acceptance of an application")
