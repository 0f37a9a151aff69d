"""What a user says beside requirements: it steers or bounds a solve, and is kept in its lock.

======================  ============================================================================
constraints             bound a package where something requires it, and require nothing themselves;
                        by order alone: they neither take prereleases in nor keep them out
overrides               replace the range of whoever requires the package, releases too; the extras
                        that each asks for stay
allow_prereleases       prereleases are candidates everywhere
published_before        releases of that moment or later are no candidates (a cooldown)
prefer                  `newest`; `lowest` of every package, to test that ranges say the truth; or
                        `lowest-direct`, of those that the user requires alone (uv's word)
application             only what a bundle of this application may hold (resolver/acceptance.py)
======================  ============================================================================
"""

from collections import Counter
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final, Literal, TypeAlias

from artifacts.reference import PackageName
from resolver.errors import InvalidRequirement
from resolver.requirement import Requirement

Preference: TypeAlias = Literal["newest", "lowest", "lowest-direct"]
"""Which candidates come first."""

PREFERENCES: Final[tuple[Preference, ...]] = ("newest", "lowest", "lowest-direct")


@dataclass(frozen=True, slots=True)
class Options:
    """Constraints and overrides (sorted, each once), and what else is drawn in the module.

    `published_before` is aware and of whole seconds.
    """

    constraints: tuple[Requirement, ...] = ()
    overrides: tuple[Requirement, ...] = ()
    allow_prereleases: bool = False
    published_before: datetime | None = None
    prefer: Preference = "newest"
    application: PackageName | None = None

    def __post_init__(self) -> None:
        """Sort, and refuse what has no meaning.

        Raises:
            InvalidRequirement: a constraint or override with extras, or a package overridden twice.
            ValueError: a preference that there isn't, or a time without a zone.
        """
        if self.prefer not in PREFERENCES:
            raise ValueError(f"not a preference: {self.prefer!r} (one of {', '.join(PREFERENCES)})")
        if self.published_before is not None and self.published_before.tzinfo is None:
            raise ValueError(f"published_before has no zone: {self.published_before}")
        for kind in ("constraints", "overrides"):
            said: tuple[Requirement, ...] = getattr(self, kind)
            for one in said:
                if one.extras:
                    raise InvalidRequirement(
                        str(one), f"{kind} are about versions; leave out [{','.join(one.extras)}]"
                    )
            object.__setattr__(self, kind, tuple(sorted(set(said), key=str)))
        counted = Counter(one.package for one in self.overrides)
        for package, count in counted.items():
            if count > 1:
                ranges = " and ".join(
                    str(one.range) for one in self.overrides if one.package == package
                )
                raise InvalidRequirement(
                    str(package), f"it is overridden with {ranges}; say one range"
                )

    def arguments(self) -> dict[str, Any]:
        """Return them as `resolver.solve.solve` takes them, by name."""
        return {item.name: getattr(self, item.name) for item in fields(self)}
