"""What a solve is asked for over HTTP: as texts of a form, a query or JSON, and as values.

One set of names serves all three: `requirements`, `constraints` and `overrides` (in a form or query
one in each line, or given more than once, with notes after a `#`), `python`, `platform`,
`prereleases` (`yes`), `published_before`, `prefer` and `application`.
"""

import re
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, cast
from urllib.parse import urlencode

from werkzeug.datastructures import MultiDict

from artifacts.reference import PackageName
from resolver.candidate import Environment, check_platform, utc, utc_text
from resolver.errors import InvalidText
from resolver.options import PREFERENCES, Options, Preference
from resolver.requirement import ANY, Requirement
from web.errors import InvalidFields

_Value = TypeVar("_Value")

LINES: Final = ("requirements", "constraints", "overrides")
DEFAULTS: Final[Mapping[str, str]] = {
    "requirements": "",
    "constraints": "",
    "overrides": "",
    "python": f"{sys.version_info.major}.{sys.version_info.minor}",
    "platform": "linux/amd64",
    "prereleases": "",
    "published_before": "",
    "prefer": "newest",
    "application": "",
}
"""What counts where a query says nothing; the python is this server's own."""

LONGEST: Final = 8_000
"""Characters that all fields of a query may have: a request's first line may have little more."""

_PLATFORM: Final = "linux/amd64"
_DAY: Final = re.compile("[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True, slots=True)
class Question:
    """What is to be solved."""

    requirements: tuple[Requirement, ...]
    environment: Environment
    options: Options

    def query(self) -> str:
        """Return it as a query, which `read_query` reads."""
        said = {
            "requirements": "\n".join(map(str, self.requirements)),
            "constraints": "\n".join(map(str, self.options.constraints)),
            "overrides": "\n".join(map(str, self.options.overrides)),
            "python": self.environment.python,
            "platform": self.environment.platform,
            "prereleases": "yes" if self.options.allow_prereleases else "",
            "published_before": ""
            if self.options.published_before is None
            else utc_text(self.options.published_before),
            "prefer": self.options.prefer,
            "application": ""
            if self.options.application is None
            else str(self.options.application),
        }
        needed = ("requirements", "python", "platform")
        return urlencode(
            {name: text for name, text in said.items() if name in needed or text != DEFAULTS[name]}
        )

    def command(self) -> str:
        """Return how the command line is asked for the same."""
        options = self.options
        words = ["recipebox", "lock", *map(_short, self.requirements)]
        words += ["--python", self.environment.python, "--platform", self.environment.platform]
        for one in options.constraints:
            words += ["--constraint", str(one)]
        for one in options.overrides:
            words += ["--override", str(one)]
        if options.allow_prereleases:
            words += ["--pre"]
        if options.published_before is not None:
            words += ["--published-before", utc_text(options.published_before)]
        if options.prefer != "newest":
            words += ["--prefer", options.prefer]
        if options.application is not None:
            words += ["--for", str(options.application)]
        return shlex.join(words)


def read_texts(query: MultiDict[str, str]) -> dict[str, str]:
    """Return the text of each field of a form or query; what it doesn't say has its default."""
    return {
        name: "\n".join(query.getlist(name)).replace("\r\n", "\n") if name in query else default
        for name, default in DEFAULTS.items()
    }


def read_query(texts: Mapping[str, str]) -> Question:
    """Return what the fields of a form or query ask for.

    A `published_before` may be a day, too: its first second.

    Raises:
        InvalidFields: as `read_question`, for prereleases that are neither `yes` nor `no`, and for
            a query that is too long.
    """
    found = sum(map(len, texts.values()))
    if found > LONGEST:
        message = (
            f"all fields together may have {LONGEST:,} characters, found {found:,}; use "
            "`recipebox lock`, or POST /api/v1/solve, for more"
        )
        raise InvalidFields([{"where": "requirements", "message": message}])
    lines = {name: _lines(texts[name]) for name in LINES}
    before = texts["published_before"].strip()
    if _DAY.fullmatch(before):
        before = f"{before}T00:00:00Z"
    prereleases = texts["prereleases"].strip()
    faults = []
    if prereleases not in {"yes", "no", ""}:
        message = f"say yes or no, not {prereleases[:40]!r}"
        faults.append({"where": "prereleases", "message": message})
    return read_question(
        **lines,
        python=texts["python"].strip(),
        platform=texts["platform"].strip(),
        prereleases=prereleases == "yes",
        published_before=before or None,
        prefer=texts["prefer"],
        application=texts["application"].strip() or None,
        faults=faults,
    )


def read_question(
    *,
    requirements: Sequence[str],
    python: str,
    platform: str,
    constraints: Sequence[str] = (),
    overrides: Sequence[str] = (),
    prereleases: bool = False,
    published_before: str | None = None,
    prefer: str = "newest",
    application: str | None = None,
    faults: Iterable[Mapping[str, str]] = (),
) -> Question:
    """Return what texts ask for; `faults` are some that were found already.

    Raises:
        InvalidFields: names every text that can't be read, or has no meaning.
    """
    found = [dict(fault) for fault in faults]

    def read(where: str, reading: Callable[[], _Value]) -> _Value | None:
        try:
            return reading()
        except InvalidText as error:
            found.append({"where": where, "message": f"{error.text[:80]!r}: {error.reason}"})
        except ValueError as error:
            found.append({"where": where, "message": str(error)})
        return None

    def read_all(
        where: str, texts: Sequence[str], check: Callable[[Requirement], object]
    ) -> tuple[Requirement, ...]:
        def read_one(text: str) -> Requirement:
            one = Requirement.parse(text)
            check(one)
            return one

        each = (
            read(f"{where}.{place}", lambda text=text: read_one(text))  # type: ignore[misc]
            for place, text in enumerate(texts)
        )
        return tuple(one for one in each if one is not None)

    if not requirements:
        message = "name at least one package, such as team/etl ^1"
        found.append({"where": "requirements", "message": message})
    wanted = read_all("requirements", requirements, lambda _one: None)
    bounds = read_all("constraints", constraints, lambda one: Options(constraints=(one,)))
    instead = read_all("overrides", overrides, lambda one: Options(overrides=(one,)))
    read("overrides", lambda: Options(overrides=instead))
    read("python", lambda: Environment(python, _PLATFORM))
    read("platform", lambda: check_platform(platform))
    before = read(
        "published_before", lambda: None if published_before is None else utc(published_before)
    )
    if prefer not in PREFERENCES:
        message = f"say one of {', '.join(PREFERENCES)}, not {prefer[:40]!r}"
        found.append({"where": "prefer", "message": message})
    name = read(
        "application", lambda: None if application is None else PackageName.parse(application)
    )
    if found:
        raise InvalidFields(found)
    preference = cast("Preference", prefer)
    options = Options(bounds, instead, prereleases, before, preference, name)
    return Question(wanted, Environment(python, platform), options)


def _short(one: Requirement) -> str:
    return one.name_with_extras if one.range == ANY else str(one)


def _lines(text: str) -> list[str]:
    """Return what stands in each line: notes after a `#`, and empty lines, are nothing."""
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    return [line for line in lines if line]
