"""The sparse index as the resolver reads it: by ETag, from the cache, at one revision a solve.

Online, the index's revision is asked for once, and every package `as_of` it. An answer that is kept
of that revision isn't asked for again; one of an earlier revision is, by its ETag, and travels only
when it changed. That there is no such package is asked anew, since another token may see one. Each
name is asked for once a solve, several at once: what the solver says it will need (`read_ahead`),
and before that a guess (`expect`): for each requirement the newest release in its range, and so on
through what that requires.

Offline, a solve is of the revision at which its roots were last read, and what wasn't read then,
and may have changed since, is named and refused.

Where names are reserved for other registries, each registry has an index and a revision of its own,
and a name is asked for at its own one alone, also by a guess. The revisions at which the others
were read are kept with the roots, for a solve of these offline.
"""

import contextlib
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from types import TracebackType
from typing import Any, Self

from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.errors import ClientError, Missing, NotCached, Unreachable
from recipebox.registries import Registries
from recipebox.transport import Transport
from resolver.errors import InvalidDocument
from resolver.requirement import Range, Requirement
from resolver.source import IndexSource, PackageIndex, Reserved, ReservedSource, parse_index

Tell = Callable[[str], object]
"""Takes a sentence for whoever sits there."""


_NAMESPACES, _PAGES = 5, 5
"""How much is listed to find the name that was perhaps meant: pages have 100 names."""


def no_matter(_said: object) -> None:
    """Tell nobody."""


class RegistrySource:
    """The index of the registry at `transport`: an IndexSource (resolver/source.py).

    `jobs` names are asked for at once; `tell` is told where the cache was damaged, and `progress`
    how many packages were read; `find_source` gives the source of a name, where that isn't always
    this one. To be used in a `with` block, or closed: what was begun and isn't needed any more ends
    there.
    """

    def __init__(
        self,
        transport: Transport,
        cache: Cache,
        *,
        jobs: int = 4,
        tell: Tell = no_matter,
        progress: Callable[[object], object] = no_matter,
        find_source: "Callable[[PackageName], RegistrySource] | None" = None,
    ) -> None:
        self._transport = transport
        self._cache = cache
        self._tell = tell
        self._progress = progress
        self._find_source = find_source
        self._revision: int | ClientError | None = None
        self._asking = threading.Lock()
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="index")
        self._reads: dict[PackageName, Future[PackageIndex | None]] = {}
        self._expected: set[tuple[PackageName, Range]] = set()
        self._read_count = 0
        self._names: dict[str, list[PackageName]] = {}
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
            ClientError: no answer, or one without a revision; once it failed it stays so.
        """
        with self._asking:
            if self._revision is None:
                try:
                    self._revision = self._ask_revision()
                except ClientError as error:
                    self._revision = error
        if isinstance(self._revision, ClientError):
            raise self._revision
        return self._revision

    @property
    def known_revision(self) -> int | None:
        """The revision, where it was asked for, and there was one."""
        return self._revision if isinstance(self._revision, int) else None

    def expect(self, requirements: Iterable[Requirement]) -> None:
        """Begin to read what solving these will likely need, all the way down.

        A guess costs no more than a name that nobody needs: it decides nothing, and a failure
        counts only where the solver asks for that name.
        """
        for requirement in requirements:
            self._expect(requirement)

    def read_ahead(self, packages: Collection[PackageName]) -> None:
        """Begin to read these packages; `find_index` has the last word on each."""
        for package in packages:
            self._begin(package)

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package; None where it isn't, or may not be read.

        Raises:
            ClientError: the registry gave no answer, or refused the token.
            InvalidIndex: the answer isn't an index.
        """
        reading = self._begin(package)
        if reading is None:
            raise ValueError("the source is closed")
        return reading.result()

    def _ask_revision(self) -> int:
        found = self._transport.api("GET", "/index/revision.json").get("revision")
        if not isinstance(found, int) or isinstance(found, bool) or found < 0:
            raise Unreachable(
                f"{self._transport.url}: the index's revision is {found!r}, not a number",
                hint=f"is {self._transport.url} a Recipebox registry?",
            )
        return found

    def list_names(self) -> Collection[PackageName]:
        """Return the first names of the namespaces that were asked for: one of them may be meant.

        None where the registry doesn't tell: that is no reason to fail.
        """
        with self._lock:
            namespaces = sorted({package.namespace for package in self._reads})
            unknown = [one for one in namespaces[:_NAMESPACES] if one not in self._names]
        for namespace in unknown:
            self._names[namespace] = self._names_of(namespace)
        return [name for one in namespaces[:_NAMESPACES] for name in self._names.get(one, ())]

    def _names_of(self, namespace: str) -> list[PackageName]:
        asked: dict[str, str | int] = {"q": f"{namespace}/", "limit": 100}
        names: list[PackageName] = []
        with contextlib.suppress(ClientError):
            for _ in range(_PAGES):
                page = self._transport.api("GET", "/api/v1/packages", query=asked)
                names += [PackageName.parse(each["name"]) for each in page["packages"]]
                if not page.get("next"):
                    break
                asked["cursor"] = page["next"]
        return [name for name in names if name.namespace == namespace]

    def _expect(self, requirement: Requirement) -> None:
        owner = self if self._find_source is None else self._find_source(requirement.package)
        if owner is not self:
            owner.expect([requirement])
            return
        key = (requirement.package, requirement.range)
        with self._lock:
            if key in self._expected:
                return
            self._expected.add(key)

        def go_on(reading: Future[PackageIndex | None]) -> None:
            if reading.cancelled() or reading.exception() is not None:
                return  # whoever asks for it is told
            for following in _likely(reading.result(), requirement):
                self._expect(following)

        reading = self._begin(requirement.package)
        if reading is not None:
            reading.add_done_callback(go_on)

    def _begin(self, package: PackageName) -> Future[PackageIndex | None] | None:
        """Return the reading of a package, begun now where it wasn't; None once closed."""
        with self._lock:
            reading = self._reads.get(package)
            if reading is None and not self._is_closed:
                reading = self._pool.submit(self._read, package)
                self._reads[package] = reading
            return reading

    def _read(self, package: PackageName) -> PackageIndex | None:
        index = self._fetch(package)
        with self._lock:
            self._read_count += 1
        self._progress(f"{self._read_count:,} packages read")
        return index

    def _fetch(self, package: PackageName) -> PackageIndex | None:
        revision = self.revision
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
    """The index as it is in the cache: an IndexSource that needs no network.

    `beside` are revisions at which it was read together with roots that are in other indexes.
    """

    def __init__(
        self,
        registry: str,
        cache: Cache,
        roots: Sequence[PackageName],
        tell: Tell = no_matter,
        beside: Sequence[int] = (),
    ) -> None:
        self._registry = registry
        self._cache = cache
        self._roots = roots
        self._tell = tell
        self._beside = tuple(beside)
        self._entries: dict[PackageName, dict[str, Any]] = {}

    @property
    def revision(self) -> int:
        """The oldest revision at which one of the roots was last read.

        Raises:
            NotCached: a root was never read, or nothing of this index together with one.
        """
        found = [*self._beside, *(int(self._entry(root)["as_of"]) for root in self._roots)]
        if not found:
            raise NotCached(
                f"{self._registry}: its index was never read for what is asked for",
                hint="run it once without --offline",
            )
        return min(found)

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


@contextmanager
def online_index(
    url: str,
    registries: Registries,
    connect: Callable[[str], Transport],
    cache: Cache,
    requirements: Sequence[Requirement],
    *,
    jobs: int,
    tell: Tell,
    progress: Callable[[object], object] = no_matter,
) -> Iterator[IndexSource]:
    """Give the index of the registry at `url`, read ahead for solving these requirements.

    Names that are reserved for another registry are read there; `connect` gives what asks it.
    """
    with ExitStack() as stack:
        sources: dict[str, RegistrySource] = {}

        def source_of(package: PackageName) -> RegistrySource:
            return sources[registries.find_url(package) or url]

        find_source = source_of if registries.reserved else None
        for address in registries.addresses(url):
            sources[address] = stack.enter_context(
                RegistrySource(
                    connect(address),
                    cache,
                    jobs=jobs,
                    tell=tell,
                    progress=progress,
                    find_source=find_source,
                )
            )
        for requirement in requirements:
            source_of(requirement.package).expect([requirement])
        try:
            yield _joined(url, registries, sources)
        finally:
            _keep_beside(url, registries, sources, cache, requirements)


def offline_index(
    url: str,
    registries: Registries,
    cache: Cache,
    requirements: Sequence[Requirement],
    tell: Tell,
) -> IndexSource:
    """Return the index of the registry at `url`, and those of reserved names, as they are cached.

    Each is at the revision at which the packages of these requirements were last read.
    """
    roots: dict[str, list[PackageName]] = {each: [] for each in registries.addresses(url)}
    beside: dict[str, list[int]] = {each: [] for each in roots}
    for requirement in requirements:
        package = requirement.package
        address = registries.find_url(package) or url
        roots[address].append(package)
        kept = cache.index_entry(address, _beside(package)) if registries.reserved else None
        for other, revision in ({} if kept is None else kept["body"]).items():
            if other in beside and other != address:
                beside[other].append(int(revision))
    sources = {
        address: CachedSource(address, cache, own, tell, beside[address])
        for address, own in roots.items()
    }
    return _joined(url, registries, sources)


def _joined(url: str, registries: Registries, sources: Mapping[str, IndexSource]) -> IndexSource:
    if not registries.reserved:
        return sources[url]
    reserved = [
        Reserved(each.url, each.prefixes, sources[each.url]) for each in registries.reserved
    ]
    return ReservedSource(sources[url], reserved)


def _beside(package: PackageName) -> str:
    return f"beside {package}"


def _keep_beside(
    url: str,
    registries: Registries,
    sources: Mapping[str, RegistrySource],
    cache: Cache,
    requirements: Iterable[Requirement],
) -> None:
    """Keep with each root at which revisions other indexes were read beside its own."""
    revisions = {
        address: source.known_revision
        for address, source in sources.items()
        if source.known_revision is not None
    }
    for package in {requirement.package for requirement in requirements}:
        address = registries.find_url(package) or url
        if address in revisions and len(revisions) > 1:
            cache.keep_index_entry(
                address, _beside(package), etag="", as_of=revisions[address], body=revisions
            )
