"""The sparse index as the resolver reads it: by ETag, from the cache, at one revision a solve.

Online, the index's revision is asked for once, and every package `as_of` it; an answer that is kept
with its ETag travels only when it changed. Offline, a solve is of the revision at which its roots
were last read, and what wasn't read then, and may have changed since, is named and refused.
"""

from collections.abc import Sequence
from typing import Any

from artifacts.reference import PackageName
from recipebox.cache import Cache
from recipebox.errors import Missing, NotCached, Unreachable
from recipebox.transport import Transport
from resolver.source import PackageIndex, parse_index


class RegistrySource:
    """The index of the registry at `transport`: an IndexSource (resolver/source.py)."""

    def __init__(self, transport: Transport, cache: Cache) -> None:
        self._transport = transport
        self._cache = cache
        self._revision: int | None = None
        self._read: dict[PackageName, PackageIndex | None] = {}

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

    def find_index(self, package: PackageName) -> PackageIndex | None:
        """Return the releases of a package; None where it isn't, or may not be read.

        Raises:
            ClientError: the registry gave no answer, or refused the token.
            InvalidIndex: the answer isn't an index.
        """
        if package not in self._read:
            self._read[package] = self._fetch(package)
        return self._read[package]

    def _fetch(self, package: PackageName) -> PackageIndex | None:
        registry, name = self._transport.url, str(package)
        kept = self._cache.index_entry(registry, name)
        try:
            answer = self._transport.conditional(
                f"/index/{name}.json", kept["etag"] if kept else None, {"as_of": self.revision}
            )
        except Missing:
            return None
        if answer is None and kept:
            body, etag = str(kept["body"]), str(kept["etag"])
        else:
            data, etag = answer or (b"", "")
            body = data.decode("utf-8", "replace")
        index = parse_index(body.encode())
        self._cache.keep_index_entry(registry, name, etag=etag, as_of=self.revision, body=body)
        return index


class CachedSource:
    """The index as it is in the cache: an IndexSource that needs no network."""

    def __init__(self, registry: str, cache: Cache, roots: Sequence[PackageName]) -> None:
        self._registry = registry
        self._cache = cache
        self._roots = roots

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
        index = parse_index(str(entry["body"]).encode())
        if not index.revision <= self.revision <= entry["as_of"]:
            raise NotCached(
                f"{package}: the cache knows it at revision {entry['as_of']} of the index, and "
                f"this solve is of revision {self.revision}",
                hint="run it once without --offline",
            )
        return index

    def _entry(self, package: PackageName) -> dict[str, Any]:
        entry = self._cache.index_entry(self._registry, str(package))
        if entry is None:
            raise NotCached(
                f"{package}: not in the cache for {self._registry}",
                hint="run it once without --offline",
            )
        return entry
