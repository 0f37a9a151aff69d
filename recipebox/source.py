"""The sparse index as the resolver reads it: by ETag, from the cache, at one revision a solve.

Online, the index's revision is asked for once, and every package `as_of` it. An answer that is kept
of that revision isn't asked for again; one of an earlier revision is, by its ETag, and travels only
when it changed. That there is no such package is asked anew, since another token may see one. Each
name is asked for once a solve, several at once: what the solver says it will need (`read_ahead`),
and before that a guess (`expect`): for each requirement the newest release in its range, and so on
through what that requires.

Offline, a solve is of the revision at which its roots were last read, and what wasn't read then,
and may have changed since, is named and refused.
"""

import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Any, Self

from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.errors import Missing, NotCached, Unreachable
from recipebox.transport import Transport
from resolver.errors import InvalidDocument
from resolver.requirement import Range, Requirement
from resolver.source import PackageIndex, parse_index

Tell = Callable[[str], object]
"""Takes a sentence for whoever sits there."""


def no_matter(_said: object) -> None:
    """Tell nobody."""


class RegistrySource:
    """The index of the registry at `transport`: an IndexSource (resolver/source.py).

    `jobs` names are asked for at once; `tell` is told where the cache was damaged, and `progress`
    how many packages were read. To be used in a `with` block, or closed: what was begun and isn't
    needed any more ends there.
    """

    def __init__(
        self,
        transport: Transport,
        cache: Cache,
        *,
        jobs: int = 4,
        tell: Tell = no_matter,
        progress: Callable[[object], object] = no_matter,
    ) -> None:
        self._transport = transport
        self._cache = cache
        self._tell = tell
        self._progress = progress
        self._revision: int | None = None
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="index")
        self._reads: dict[PackageName, Future[PackageIndex | None]] = {}
        self._expected: set[tuple[PackageName, Range]] = set()
        self._read_count = 0
        self._is_closed = False

    def __enter__(self) -> Self:
        """Return the source."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Ask for nothing more; what is on its way is waited for, since it uses the connections."""
        with self._lock:
            self._is_closed = True
        self._pool.shutdown(cancel_futures=True)

    @property
    def revision(self) -> int:
        """The revision of the whole index, as it was when it was first asked for.

        Raises:
            Unreachable: no answer, or one without a revision.
        """
        if self._revision is None:
            found = self._transport.api("GET", "/index/revision.json").get("revision")
            if not isinstance(found, int) or isinstance(found, bool) or found < 0:
                raise Unreachable(
                    f"{self._transport.url}: the index's revision is {found!r}, not a number",
                    hint=f"is {self._transport.url} a Recipebox registry?",
                )
            self._revision = found
        return self._revision

    def expect(self, requirements: Iterable[Requirement]) -> None:
        """Begin to read what solving these will likely need, all the way down.

        A guess costs no more than a name that nobody needs: it decides nothing, and a failure
        counts only where the solver asks for that name.

        Raises:
            Unreachable: as for `revision`.
        """
        revision = self.revision
        for requirement in requirements:
            self._expect(requirement, revision)

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        """Begin to read these packages; `find_index` has the last word on each.

        Raises:
            Unreachable: as for `revision`.
        """
        revision = self.revision
        for package in packages:
            self._begin(package, revision)

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package; None where it isn't, or may not be read.

        Raises:
            ClientError: the registry gave no answer, or refused the token.
            InvalidIndex: the answer isn't an index.
        """
        reading = self._begin(package, self.revision)
        if reading is None:
            raise ValueError("the source is closed")
        return reading.result()

    def _expect(self, requirement: Requirement, revision: int) -> None:
        key = (requirement.package, requirement.range)
        with self._lock:
            if key in self._expected:
                return
            self._expected.add(key)

        def go_on(reading: Future[PackageIndex | None]) -> None:
            if reading.cancelled() or reading.exception() is not None:
                return  # whoever asks for it is told
            for following in _likely(reading.result(), requirement):
                self._expect(following, revision)

        reading = self._begin(requirement.package, revision)
        if reading is not None:
            reading.add_done_callback(go_on)

    def _begin(self, package: PackageName, revision: int) -> Future[PackageIndex | None] | None:
        """Return the reading of a package, begun now where it wasn't; None once closed."""
        with self._lock:
            reading = self._reads.get(package)
            if reading is None and not self._is_closed:
                reading = self._pool.submit(self._read, package, revision)
                self._reads[package] = reading
            return reading

    def _read(self, package: PackageName, revision: int) -> PackageIndex | None:
        index = self._fetch(package, revision)
        with self._lock:
            self._read_count += 1
        self._progress(f"{self._read_count:,} packages read")
        return index

    def _fetch(self, package: PackageName, revision: int) -> PackageIndex | None:
        registry, name = self._transport.url, str(package)
        kept = self._cache.index_entry(registry, name, self._tell)
        index = None if kept is None else self._parse_kept(name, kept)
        if index is not None and kept is not None and kept["as_of"] == revision:
            return index  # what it was at a revision, it stays
        etag = None if kept is None or index is None else str(kept["etag"])
        try:
            answer = self._transport.conditional(f"/index/{name}.json", etag, {"as_of": revision})
        except Missing:
            self._cache.keep_index_entry(registry, name, etag="", as_of=revision, body=None)
            return None
        body: str | None = None if kept is None else kept["body"]
        if answer is not None:
            data, etag = answer
            body = data.decode("utf-8", "replace")
            index = parse_index(body.encode())
        self._cache.keep_index_entry(registry, name, etag=etag or "", as_of=revision, body=body)
        return index

    def _parse_kept(self, name: str, kept: dict[str, Any]) -> PackageIndex | None:
        """Return what the cache has of a package; None where that is nothing that can be used."""
        if kept["body"] is None:
            return None
        try:
            return parse_index(str(kept["body"]).encode())
        except InvalidDocument as error:
            self._tell(f"the cache's index of {name} can't be used ({error}); it is read again")
            return None


def _likely(index: PackageIndex | None, requirement: Requirement) -> tuple[Requirement, ...]:
    """Return what the release requires that a solver would likely choose: the newest that fits."""
    for release in () if index is None else index.releases:
        if release.yanked is None and requirement.range.contains(release.version):
            return release.requires
    return ()


class CachedSource:
    """The index as it is in the cache: an IndexSource that needs no network."""

    def __init__(
        self, registry: str, cache: Cache, roots: Sequence[PackageName], tell: Tell = no_matter
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._roots = roots
        self._tell = tell
        self._entries: dict[PackageName, dict[str, Any]] = {}

    @property
    def revision(self) -> int:
        """The oldest revision at which one of the roots was last read.

        Raises:
            NotCached: a root was never read.
        """
        return min(int(self._entry(root)["as_of"]) for root in self._roots)

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package at the revision of the roots.

        Raises:
            NotCached: it wasn't read then, or has changed since.
        """
        entry = self._entry(package)
        is_known = self.revision <= entry["as_of"]
        if is_known and entry["body"] is None:
            return None
        index = None
        if is_known:
            index = parse_index(str(entry["body"]).encode())
        if index is None or index.revision > self.revision:
            raise NotCached(
                f"{package}: the cache knows it at revision {entry['as_of']} of the index, and "
                f"this solve is of revision {self.revision}",
                hint="run it once without --offline",
                package=str(package),
            )
        return index

    def _entry(self, package: PackageName) -> dict[str, Any]:
        entry = self._entries.get(package)
        if entry is None:
            entry = self._cache.index_entry(self._registry, str(package), self._tell)
        if entry is None:
            raise NotCached(
                f"{package}: not in the cache for {self._registry}",
                hint="run it once without --offline",
                package=str(package),
            )
        self._entries[package] = entry
        return entry
