"""Which registry a name comes from: the client's own one, or the one that its prefix is kept for.

::

    acme/etl   ──> the registry whose prefixes (settings/registries.py) it begins with: its index,
                   bytes, keys and pins, and nobody else's, whatever that one answers
    team/etl   ──> the client's own registry

So whoever publishes `acme/etl` where the client also looks gets nothing by it (dependency
confusion), and isn't even told that there is one.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName
from recipebox.config import check_url
from recipebox.errors import ClientError, Misuse, Untrusted
from recipebox.output import Output
from recipebox.releases import LocatedBlob, Releases, download_blobs
from resolver.lock import Lock, LockedPackage
from settings.registries import ReservedRegistry

Name = PackageName | RepositoryName


class Registries:
    """The registries that names are reserved for, beside the client's own one."""

    def __init__(
        self, reserved: Iterable[ReservedRegistry] = (), *, insecure: bool = False
    ) -> None:
        """Take them, with their URLs as scheme and host only.

        Raises:
            Misuse: a URL isn't a registry's, or is that of two.
            InsecureURL: plain http to another machine, and not `insecure`.
        """
        self.reserved = tuple(_checked(each, insecure=insecure) for each in reserved)
        names: dict[str, str] = {}
        for each in self.reserved:
            if each.url in names:
                raise Misuse(
                    f"{_place(each)}: {each.url} is the URL of registries.{names[each.url]} too",
                    hint="make them one, with the prefixes of both",
                )
            names[each.url] = each.name

    def addresses(self, default: str) -> list[str]:
        """Return the URLs of all registries, the client's own first, each once."""
        return list(dict.fromkeys((default, *(each.url for each in self.reserved))))

    def find_url(self, name: Name) -> str | None:
        """Return the URL of the registry that a name is reserved for; None where it is not."""
        return next((each.url for each in self.reserved if each.holds(str(name))), None)

    def check_sources(self, lock: Lock) -> None:
        """Hold a lock to the sources that its names are reserved for.

        Raises:
            Untrusted: a package is locked from another one; says which, and what to do.
        """
        for package in lock.packages:
            reserved = self.find_url(package.name)
            if package.source != reserved:
                raise _other_source(package, reserved)

    def moved(self, lock: Lock) -> set[PackageName]:
        """Return the packages of a lock that are reserved for another registry than it says.

        Raises:
            Untrusted: a name that comes from a registry of its own is reserved for none here, so
                that locking again would take it from where it was never meant to come from.
        """
        moved = set()
        for package in lock.packages:
            reserved = self.find_url(package.name)
            if package.source is not None and reserved is None:
                raise _other_source(package, reserved)
            if package.source != reserved:
                moved.add(package.name)
        return moved

    def check_held(self, lock: Lock, url: str, what: str) -> None:
        """Refuse a lock of which a name is reserved for another registry than that at `url`.

        `what` is what of that registry holds the packages, to begin a sentence with.

        Raises:
            Untrusted: names them, and the registries that they are reserved for.
        """
        elsewhere = [
            (package, reserved)
            for package in lock.packages
            if (reserved := self.find_url(package.name)) not in {None, url}
        ]
        if elsewhere:
            named = ", ".join(f"{package.name} (for {reserved})" for package, reserved in elsewhere)
            raise Untrusted(
                f"{what} has packages whose names are reserved for other registries than {url}: "
                f"{named}",
                hint="take it from the registry that they are reserved for, with --url, "
                "or change the prefixes in the configuration",
                packages=[str(package.name) for package, _ in elsewhere],
            )


class Readers:
    """A Reader (recipebox/releases.py) that reads each name from the registry that it comes from.

    `open_at` gives what reads the registry at a URL, or the client's own one for None; each is
    opened when it is first needed.
    """

    def __init__(
        self, registries: Registries, open_at: Callable[[str | None], Releases], output: Output
    ) -> None:
        self._registries = registries
        self._open_at = open_at
        self._output = output
        self._opened: dict[str | None, Releases] = {}

    def of(self, name: Name) -> Releases:
        """Return what reads the releases of this name."""
        url = self._registries.find_url(name)
        if url not in self._opened:
            self._opened[url] = self._open_at(url)
        return self._opened[url]

    def download(self, blobs: Iterable[LocatedBlob], jobs: int) -> dict[Digest, Path]:
        """Bring blobs here, `jobs` at once; return their files."""
        return download_blobs(self, blobs, self._output, jobs)


def from_elsewhere(lock: Lock, url: str) -> list[LockedPackage]:
    """Return the packages of a lock that come from another registry than that at `url`."""
    return [package for package in lock.packages if package.source not in {None, url}]


def listed(packages: Sequence[LockedPackage]) -> str:
    """Return packages and where they come from, for a sentence."""
    return ", ".join(f"{each.name} {each.version} (from {each.source})" for each in packages)


def _other_source(package: LockedPackage, reserved: str | None) -> Untrusted:
    locked = package.source or "the default registry"
    if reserved is None:
        said = "no prefix of its name is reserved for that here"
        hint = (
            f"reserve one for {locked}, in a table [registries.NAME] of the configuration "
            "(docs/settings.md); where the default registry is meant from now on, remove the lock, "
            "and lock again"
        )
    else:
        said = f"its name is reserved for {reserved}"
        hint = "lock again, and review the change: recipebox lock"
    return Untrusted(
        f"{package.name} {package.version} is locked from {locked}, and {said}",
        hint=hint,
        package=str(package.name),
        locked=package.source,
        reserved=reserved,
    )


def _checked(registry: ReservedRegistry, *, insecure: bool) -> ReservedRegistry:
    try:
        return replace(registry, url=check_url(registry.url, insecure=insecure))
    except ClientError as error:
        raise type(error)(f"{_place(registry)}: {error.message}", hint=error.hint) from error


def _place(registry: ReservedRegistry) -> str:
    return f"registries.{registry.name}" + (f" in {registry.where}" if registry.where else "")
