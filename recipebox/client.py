"""The Python API: everything that the commands do, and nothing that prints.

Example::

    from pathlib import Path
    from recipebox.client import Client

    with Client("https://recipes.example.org", token="rbx_…") as client:
        lock = client.lock(["team/etl ^1.2"])
        client.fetch(lock, Path("here"))

Errors are recipebox.errors.ClientError and, from below, those of recipes, resolver and signing.
"""

import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from requests.adapters import BaseAdapter

from artifacts.digest import Digest
from artifacts.reference import PackageName, check_namespace
from recipebox.acceptance import kept_acceptance, read_acceptance
from recipebox.archive import Archive
from recipebox.bearer import RegistryAuth
from recipebox.bundle_work import BundleWork
from recipebox.cache import Cache
from recipebox.carrying import Exported, gather, opened, push_archive, write_file
from recipebox.config import Credentials, Places, check_url
from recipebox.errors import Missing, Misuse, NotCached, Tampered, Untrusted
from recipebox.install import LOCK_NAME, LaidOut, lay_out
from recipebox.output import Output
from recipebox.promotion import Promoted, Promoter
from recipebox.publishing import Signed, Signer, make_signer, plan_push, push, sign_tree
from recipebox.registries import Readers, Registries, from_elsewhere, listed
from recipebox.releases import Reader, Releases, VerifiedRelease
from recipebox.running import Part, Ready, Unpacked, kept_env, view
from recipebox.solving import Age, ages, solve_least
from recipebox.source import no_matter, offline_index, online_index
from recipebox.transport import Transport
from recipebox.trust import TrustStore
from recipebox.verification import (
    Verification,
    VerifiedTree,
    compare_with_statement,
    signed_statements,
    wheels_of,
)
from recipes.environment import env_key, platform_here
from recipes.package import PackageTree, read_tree
from recipes.record import RunAttempt, RunPackage, RunRecord, RunStep, stamp
from recipes.run import RunResult, run_package
from recipes.wheels import wheels_here
from resolver.acceptance import Acceptance
from resolver.candidate import Environment
from resolver.lock import Lock, LockedPackage
from resolver.near import near_names
from resolver.offers import Pins, Refuse
from resolver.options import Options
from resolver.requirement import Requirement
from resolver.solve import Solution, solve
from resolver.source import IndexSource, NamingSource
from settings.load import Settings
from settings.registries import ReservedRegistry
from signing.errors import VerificationFailed

if TYPE_CHECKING:
    from recipebox.comparing import Subject, Subjects
    from recipes.difference import Difference


@dataclass(frozen=True, slots=True)
class Ran:
    """A run that ended: its result, and the record of it."""

    result: RunResult
    record: RunRecord


@dataclass(frozen=True, slots=True)
class Imported:
    """What came out of an archive: into (or by the pins of) `registry`, these packages.

    Each is {name, version, digest}, with {path, is_new} in a folder, and {url, receipt, revision,
    sent_blobs} in a registry.
    """

    registry: str
    packages: list[dict[str, Any]]


def this_python() -> str:
    """Return the interpreter's minor version: `3.11`."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


class Client:
    """One registry, as seen from one machine: its cache, its pins, its credentials."""

    def __init__(
        self,
        url: str | None = None,
        token: str | None = None,
        *,
        places: Places | None = None,
        adapter: BaseAdapter | None = None,
        offline: bool = False,
        insecure: bool = False,
        jobs: int = 4,
        timeout: float = 30,
        retries: int = 4,
        output: Output | None = None,
        signer: Signer | None = None,
        registries: Sequence[ReservedRegistry] = (),
    ) -> None:
        """Open a client; nothing is sent before something is asked for.

        Args:
            url: the registry; None is the one of the last login.
            token: None is the one that is kept for the registry, if any.
            places: where configuration and cache are; None is the platform's folders.
            adapter: how requests travel, where not over the network.
            offline: use the cache only.
            insecure: allow plain http to other machines.
            jobs: transfers at once.
            timeout: seconds that a silent connection is waited for.
            retries: how often a failed request is tried again.
            output: where progress and warnings go; None is the standard streams.
            signer: what signs; None is the user's GnuPG keyring.
            registries: others, each with the prefixes of the names that come from it alone.

        Raises:
            Misuse, InsecureURL: the URL of one of `registries` is none, or plain http.
        """
        self.places = places or Places.of_platform()
        self.output = output or Output()
        self.cache = Cache(self.places.cache, self.output.warn)
        self.credentials = Credentials(self.places)
        self.is_offline = offline
        self.jobs = jobs
        self.signer = signer or make_signer(None, None, None)
        self._given_url = url
        self._token = token
        self.is_insecure = insecure
        self.registries = Registries(registries, insecure=insecure)
        self._timeout = timeout
        self._retries = retries
        self._adapter = adapter
        self._transport: Transport | None = None
        self._others: dict[str, Transport] = {}
        self._reserved: dict[str, Transport] = {}

    @classmethod
    def from_settings(
        cls,
        settings: Settings,
        places: Places,
        output: Output,
        adapter: BaseAdapter | None = None,
    ) -> Self:
        """Open a client as the settings say."""
        return cls(
            settings.text("url"),
            settings.text("token"),
            places=places,
            offline=settings.switch("offline"),
            insecure=settings.switch("insecure"),
            jobs=settings.whole("jobs"),
            timeout=settings.whole("timeout"),
            retries=settings.whole("retries"),
            output=output,
            adapter=adapter,
            signer=make_signer(
                settings.text("signing_key"),
                settings.text("signing_fingerprint"),
                settings.text("signing_passphrase"),
            ),
            registries=settings.registries(),
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        for transport in (self._transport, *self._others.values(), *self._reserved.values()):
            if transport is not None:
                transport.close()

    @property
    def url(self) -> str:
        """The registry's URL: given, or of the last login.

        Raises:
            Misuse: neither, or it isn't one.
        """
        found = self._given_url or self.credentials.default_url()
        if not found:
            raise Misuse(
                "no registry is named",
                hint="set RECIPEBOX_URL, give --url, or log in: recipebox login URL",
            )
        return check_url(found, insecure=self.is_insecure)

    @property
    def transport(self) -> Transport:
        """The seam to the network.

        Raises:
            NotCached: the client is offline.
        """
        if self.is_offline:
            raise NotCached("this needs the registry", hint="run it without --offline")
        if self._transport is None:
            self._transport = self._connect(self.url, self._token)
        return self._transport

    def transport_to(self, name: PackageName) -> Transport:
        """Return the seam to the registry that a name comes from: the one it is reserved for.

        Raises:
            NotCached: the client is offline.
        """
        return self.transport_at(self.registries.find_url(name) or self.url)

    def url_of(self, name: PackageName) -> str:
        """Return the URL of the registry that a name comes from.

        Raises:
            Misuse: it is reserved for none, and no registry is named.
        """
        return self.registries.find_url(name) or self.url

    def transport_at(self, url: str) -> Transport:
        """Return the seam to this client's registry, or one of those that names are reserved for.

        Each is logged into with the token that is kept for it; one that was given is the client's
        own registry's, and no other's.

        Raises:
            NotCached: the client is offline.
        """
        if self.is_offline or url == self._own_url:
            return self.transport
        if url not in self._reserved:
            self._reserved[url] = self._connect(url, None)
        return self._reserved[url]

    def _connect(self, url: str, token: str | None) -> Transport:
        transport = Transport(
            url,
            token or self.credentials.find_token(url),
            insecure=self.is_insecure,
            timeout=self._timeout,
            retries=self._retries,
            verify=os.environ.get("SSL_CERT_FILE") or True,
        )
        if self._adapter is not None:
            transport.mount(self._adapter)
        return transport

    @property
    def _own_url(self) -> str | None:
        """The URL of the client's own registry, where one is named."""
        is_named = self._given_url or self.credentials.default_url()
        return self.url if is_named else None

    def other_transport(self, url: str) -> Transport:
        """Return the seam to another registry, which need not be Recipebox's, with its login.

        A login is a token that was kept for it, or what `docker login` kept.
        """
        if url not in self._others:
            login = self.credentials.find_login(url)
            self._others[url] = transport = Transport(
                url,
                insecure=self.is_insecure,
                timeout=self._timeout,
                retries=self._retries,
                verify=os.environ.get("SSL_CERT_FILE") or True,
                auth=RegistryAuth(url, login, insecure=self.is_insecure),
            )
            if self._adapter is not None:
                transport.mount(self._adapter)
        return self._others[url]

    @property
    def bundles(self) -> BundleWork:
        """What works with bundles, here and in other registries."""
        return BundleWork(self)

    @property
    def trust(self) -> TrustStore:
        """The pins for this registry."""
        return TrustStore(self.places, self.url)

    @property
    def releases(self) -> Releases:
        """What reads and verifies releases."""
        transport = None if self.is_offline else self.transport
        return Releases(self.url, transport, self.cache, self.trust, self.output)

    @property
    def reader(self) -> Readers:
        """What reads and verifies releases, each from the registry that its name comes from."""
        return Readers(self.registries, self._releases_at, self.output)

    def _releases_at(self, url: str | None) -> Releases:
        if url is None or url == self._own_url:
            return self.releases
        transport = None if self.is_offline else self.transport_at(url)
        trust = TrustStore(self.places, url)
        return Releases(url, transport, self.cache, trust, self.output, is_default=False)

    def _kept_reader(self, *, pins_first_use: bool) -> Readers:
        """Return what verifies by the pins and keys that are kept here, whoever is reachable."""

        def open_at(url: str | None) -> Releases:
            address = url or self.url
            return Releases(
                address,
                None,
                self.cache,
                TrustStore(self.places, address),
                self.output,
                pins_first_use=pins_first_use,
                is_default=address == self._own_url,
            )

        return Readers(self.registries, open_at, self.output)

    # Asking

    def whoami(self) -> dict[str, Any]:
        """Return {name, role, namespace} of the token."""
        return self.transport.api("GET", "/api/v1/whoami")

    def search(self, query: str, limit: int = 20) -> list[dict[str, Any]]:
        """Return up to `limit` packages that match: {name, summary, latest, published, signers}."""
        return list(_first(self._search(query, limit), limit))

    def _search(self, query: str, limit: int) -> Iterator[dict[str, Any]]:
        cursor: str | None = None
        while True:
            asked: dict[str, str | int] = {"q": query, "limit": max(1, min(limit, 100))}
            if cursor:
                asked["cursor"] = cursor
            page = self.transport.api("GET", "/api/v1/packages", query=asked)
            yield from page["packages"]
            cursor = page.get("next")
            if not cursor:
                return

    def info(self, name: str) -> dict[str, Any]:
        """Return a package as the registry shows it: summary, releases, channels."""
        package = PackageName.parse(name)
        return self.transport_to(package).api("GET", f"/api/v1/packages/{package}")

    def server_time(self) -> datetime | None:
        """Return the server's clock."""
        return self.transport.server_time()

    # Namespaces

    def namespaces(self) -> list[dict[str, Any]]:
        """Return the namespaces that the token may see."""
        return list(self.transport.api("GET", "/api/v1/namespaces")["namespaces"])

    def create_namespace(self, name: str, *, public: bool) -> dict[str, Any]:
        """Create a namespace; the token's principal owns it."""
        body = {"name": check_namespace(name), "public": public}
        return self.transport.api("POST", "/api/v1/namespaces", body=body)

    def namespace_keys(self, name: str) -> list[dict[str, Any]]:
        """Return the public keys of a namespace, as the registry has them."""
        return list(
            self.transport.api("GET", f"/api/v1/namespaces/{check_namespace(name)}/keys")["keys"]
        )

    def add_namespace_key(self, name: str, armored: str, roles: Sequence[str]) -> dict[str, Any]:
        """Add a public key to a namespace, for `release`, `promote` or both."""
        body = {"armored": armored, "roles": list(roles)}
        return self.transport.api(
            "POST", f"/api/v1/namespaces/{check_namespace(name)}/keys", body=body
        )

    # Publishing

    def sign(self, folder: Path) -> Signed:
        """Sign the package in `folder`, an OUT or a tree in it."""
        return sign_tree(folder, self.signer)

    def publish(self, folder: Path, *, dry_run: bool = False) -> dict[str, Any]:
        """Publish the signed package in `folder`; `dry_run` checks all that needs no registry.

        A name that is reserved for another registry is published there.

        Returns {name, version, digest, receipt, revision, url, sent_blobs, blobs, size, proof,
        documents}.
        """
        with plan_push(folder) as planned:
            drawn = {
                "name": str(planned.package),
                "version": planned.version,
                "digest": str(planned.digest),
                "blobs": len(planned.blobs),
                "size": planned.size,
                "proof": planned.has_proof,
                "documents": list(planned.documents),
            }
            if dry_run:
                return drawn | {"dry_run": True}
            transport = self.transport_to(planned.package)
            return drawn | push(transport, planned, self.output, self.jobs)

    def yank(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """Take a release out of what solvers choose; locks that pin it go on working."""
        return self.transport_to(PackageName.parse(name)).api(
            "POST", self._yank_path(name, version), body={"reason": reason}, repeatable=True
        )

    def unyank(self, name: str, version: str) -> dict[str, Any]:
        """Take a yank back."""
        transport = self.transport_to(PackageName.parse(name))
        return transport.api("DELETE", self._yank_path(name, version))

    def affected(self, name: str, version: str) -> dict[str, Any]:
        """Return what a yank of a release affects, of what the token may read.

        {name, version, yanked, bundles, bundle_count, channels, stranded, stranded_count}.
        """
        transport = self.transport_to(PackageName.parse(name))
        return transport.api("GET", self._release_path(name, version, "affected"))

    @classmethod
    def _yank_path(cls, name: str, version: str) -> str:
        return cls._release_path(name, version, "yank")

    @staticmethod
    def _release_path(name: str, version: str, what: str) -> str:
        from resolver.version import Version

        package = PackageName.parse(name)
        return f"/api/v1/packages/{package}/releases/{Version.parse(version)}/{what}"

    # Solving

    def solve(
        self,
        requirements: Sequence[str],
        *,
        python: str | None = None,
        platform: str | None = None,
        pins: Pins | None = None,
        allow_prereleases: bool = False,
        options: Options | None = None,
        keep: Lock | None = None,
        upgrade: Collection[PackageName] = (),
    ) -> Solution:
        """Solve requirements such as `team/etl ^1.2` at one revision of the index.

        `python` and `platform` are this interpreter's and this machine's by default; `pins` are
        those of a lock, whose yanked releases stay candidates. `options` are constraints,
        overrides and the like; with them, `allow_prereleases` is theirs. With an application in
        them it is only solved with what its bundles may hold. The answer is the newest;
        or, with a lock to `keep`, the one that differs least from that, but for the packages to
        `upgrade`.

        Raises:
            ResolutionImpossible: nothing fits; the error says why, in sentences.
            Misuse: a package to upgrade that the lock hasn't got.
            ClientError: what the application is can't be asked, or it is none.
            Untrusted: the lock has a package of a registry that its name isn't reserved for here.
        """
        wanted = [Requirement.parse(text) for text in requirements]
        if keep is not None and (moved := self.registries.moved(keep)):
            # other bytes, perhaps: nothing of such a package is kept, however it is pinned
            upgrade = {*upgrade, *moved}
            pins = {name: pin for name, pin in (pins or {}).items() if name not in moved}
        environment = Environment(python or this_python(), platform or platform_here())
        said = options or Options(allow_prereleases=allow_prereleases)
        with self.output.counting("solving") as tell, self.index(wanted, tell) as source:
            for each in wanted:
                if source.find_index(each.package) is None:
                    raise self._no_package(each.package, source)

            refused = self._refused(said)

            def solve_over(index: IndexSource) -> Solution:
                return solve(
                    wanted,
                    index,
                    environment,
                    pins=pins,
                    refused=refused,
                    progress=tell,
                    **said.arguments(),
                )

            if keep is None:
                return solve_over(source)
            return solve_least(solve_over, source, keep, upgrade)

    def _no_package(self, name: PackageName, source: IndexSource) -> Missing:
        reserved = self.registries.find_url(name)
        at = f" --url {reserved}" if reserved else ""
        near = near_names(name, source.list_names()) if isinstance(source, NamingSource) else []
        return Missing(
            f"there is no package {name} at {self.url_of(name)} that you may read"
            + (", and its name is reserved for that registry" if reserved else ""),
            hint=f"did you mean {near[0]}?"
            if near
            else f"look for it: recipebox search {name.name}{at}",
            package=str(name),
        )

    def outdated(self, lock: Lock, options: Options | None = None) -> tuple[Age, ...]:
        """Say of each package of a lock how far behind it is: of one revision of the index.

        `options` are the lock's own unless given.

        Raises:
            ResolutionImpossible: its requirements can't be had any more; says why.
            Untrusted: a package is locked from another source than its name is reserved for.
        """
        self.registries.check_sources(lock)
        said = options or lock.options
        wanted = lock.requirements
        with self.output.counting("solving") as tell, self.index(wanted, tell) as source:
            refused = self._refused(said)
            solution = solve(
                wanted,
                source,
                lock.environment,
                refused=refused,
                progress=tell,
                **said.arguments(),
            )
            return ages(lock, solution, source, refused)

    def acceptance(self, application: PackageName) -> Acceptance:
        """Return what bundles of an application refuse; offline, what it was the last time.

        Raises:
            ClientError: there is no answer, or the name is something else.
            InvalidDocument: (resolver) the answer can't be kept to.
        """
        tell = self.output.warn
        if self.is_offline:
            return kept_acceptance(self.url, self.cache, application, tell)
        return read_acceptance(self.transport, self.cache, application, tell)

    def _refused(self, options: Options) -> Refuse | None:
        """Return what says why a release may not be chosen; tells of an application to come."""
        if options.application is None:
            return None
        accepted = self.acceptance(options.application)
        if not accepted.exists:
            namespace = options.application.namespace
            kind = "public" if "private" in accepted.refuses else "private"
            self.output.note(
                f"{options.application} isn't there yet: what it may hold is what its namespace "
                f"{namespace}, which is {kind}, allows"
            )
        return accepted.why_not

    def lock(self, requirements: Sequence[str], *, allow_prereleases: bool = False) -> Lock:
        """Solve requirements for this machine, and freeze the answer.

        Raises:
            ResolutionImpossible: nothing fits; the error says why, in sentences.
        """
        return Lock.from_solution(self.solve(requirements, allow_prereleases=allow_prereleases))

    @contextmanager
    def index(
        self, requirements: Sequence[Requirement], progress: Callable[[object], object] = no_matter
    ) -> Iterator[IndexSource]:
        """Give the index at one revision, read ahead for solving these requirements.

        `progress` is told how many packages were read. Offline it is the cache's, at the revision
        at which their packages were last read. Of each name it is the index of the registry that
        the name comes from.
        """
        url, tell = self.url, self.output.warn
        if self.is_offline:
            yield offline_index(url, self.registries, self.cache, requirements, tell)
            return
        with online_index(
            url,
            self.registries,
            self.transport_at,
            self.cache,
            requirements,
            jobs=self.jobs,
            tell=tell,
            progress=progress,
        ) as source:
            yield source

    # Fetching

    def fetch(self, lock: Lock, out: Path, *, replace: bool = False) -> list[LaidOut]:
        """Verify everything that a lock pins, and lay it out in `out`, all at once.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; nothing is laid out.
            Conflicting: something else is there, and not `replace`.
            Interrupted: the transfer broke off; nothing is laid out.
        """
        reader = self.reader
        return self._lay_out(self._read(lock, reader), reader, lock, out, replace=replace)

    def _lay_out(
        self,
        verified: Sequence[VerifiedRelease],
        reader: Reader,
        lock: Lock,
        out: Path,
        *,
        replace: bool,
    ) -> list[LaidOut]:
        with Unpacked(reader, self.cache, self.jobs) as unpacked:
            unpacked.bring(verified, layers=True)
            envs = {each.title: unpacked.env(each) for each in verified}
            return lay_out(
                out,
                verified,
                unpacked.files(
                    [
                        blob
                        for each in verified
                        for blob in (*each.layer_blobs, *each.document_blobs)
                    ]
                ),
                {title: env for title, env in envs.items() if env is not None},
                lock.dumps(),
                replace=replace,
            )

    def _read(self, lock: Lock, reader: Reader) -> list[VerifiedRelease]:
        """Read and verify what a lock pins, which must be for here where it has wheels.

        Raises:
            Misuse: it is for another Python or platform.
            Untrusted: a package is locked from another source than its name is reserved for.
        """
        self.registries.check_sources(lock)
        return _believed(lock, reader)

    def fetch_bundle(
        self,
        reference: str,
        out: Path,
        *,
        replace: bool = False,
        application: str | None = None,
        allow_unsigned: bool = False,
    ) -> tuple[Lock, list[LaidOut]]:
        """Verify a bundle, and lay out in `out` exactly the releases that it holds.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; nothing is laid out.
            Conflicting: something else is there, and not `replace`.
            Misuse: it is for another Python or platform.
        """
        with self.bundles.checked(
            reference,
            application=application,
            allow_unsigned=allow_unsigned,
            admit=check_environment,
        ) as (checked, reader):
            lock = checked.bundle.lock
            placed = self._lay_out(checked.releases, reader, lock, out, replace=replace)
            return lock, placed

    def verify(self, folder: Path) -> list[VerifiedTree]:
        """Verify the packages on disk in `folder`: every file as signed, and by whom.

        With a connection the keys are refreshed, so that a revoked one is noticed.

        Raises:
            Unsigned, UnknownSigner, Untrusted: nobody who counts signed it well.
            Tampered: a file is missing, added or changed.
            Missing: a package of the lock isn't there.
        """
        return Verification(self.reader, self.cache).verify(folder)

    # Comparing

    def diff(
        self,
        old: str | Path,
        new: str | Path,
        *,
        package: str | None = None,
        with_patch: bool = False,
    ) -> "Difference":
        """Compare two packages, each of which may be in the registry, in a folder or an archive.

        A Path is a package's folder, or a file that `export` wrote; a text is `NS/NAME@VERSION`, or
        `NS/NAME` for the newest release that isn't yanked, or `-` for an archive on stdin; `new`
        may be a version of what `old` is. `package` says which release of an archive is meant.
        `with_patch` compares the lines of files, too.

        Raises:
            Untrusted: and its subclasses, for a release that can't be believed.
            Missing: there is no such release.
            Misuse: one of both can't be meant.
        """
        from recipebox.comparing import Subjects, both
        from recipes.difference import compare

        with Subjects(self.output, self.jobs) as subjects, ExitStack() as stack:
            first = self._subject(old, subjects, stack, package)
            if isinstance(new, str) and new != "-" and "/" not in new:
                new = f"{first.metadata.name}@{new}"
            second = self._subject(new, subjects, stack, package)
            return compare(*both(first, second), with_patch=with_patch)

    def _subject(
        self, what: str | Path, subjects: "Subjects", stack: ExitStack, package: str | None
    ) -> "Subject":
        from recipebox.comparing import parse_release

        if isinstance(what, Path) and what.is_dir():
            kept = self._kept_reader(pins_first_use=False) if self._own_url else None
            return subjects.in_folder(what, kept)
        if isinstance(what, Path) or what == "-":
            archive = stack.enter_context(opened(str(what), self.cache, self.output))
            reader = self._archive_reader(archive)
            return subjects.in_archive(str(what), archive, reader, package)
        name, version = parse_release(what)
        source = stack.enter_context(self.index([Requirement(name)]))
        return subjects.in_registry(name, version, source, self.reader.of(name))

    def _archive_reader(self, archive: Archive) -> Releases:
        registry = self._own_url or check_url(archive.registry, insecure=True)
        self.registries.check_held(archive.lock, registry, "the archive")
        trust = TrustStore(self.places, registry)
        return Releases(registry, archive, archive.blobs, trust, self.output, pins_first_use=False)

    # Running

    def run(
        self,
        target: str | Path,
        *,
        only: Sequence[str] | None = None,
        settings: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        outputs: Path | None = None,
        verify: bool = True,
        is_quiet: bool = False,
    ) -> Ran:
        """Run a package to its end: one in a folder (a Path), or a requirement (`team/etl ^1.2`).

        `only` are names of steps; `settings` are `[STEP.]ARG=VALUE`; `environment` is added to its
        clean one; what it wrote in its workspace is kept in `outputs`, a new or empty folder.
        `is_quiet` sends its stdout to stderr.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; nothing was run.
        """
        with self.ready(target, verify=verify) as ready:
            started, began = datetime.now(UTC), time.monotonic()
            result = run_package(
                ready.path,
                only=only,
                settings=settings,
                environment=environment,
                is_quiet=is_quiet,
                outputs=outputs,
            )
            seconds = round(time.monotonic() - began, 3)
        record = RunRecord(
            package=RunPackage(
                name=ready.name,
                version=ready.version,
                digest=None if ready.digest is None else str(ready.digest),
                signers=list(ready.signers),
            ),
            runner=ready.runner,
            environment=ready.environment,
            python=this_python(),
            platform=platform_here(),
            only=None if only is None else list(only),
            set=sorted({each.partition("=")[0] for each in settings}),
            env=sorted(environment or ()),
            started=stamp(started),
            ended=stamp(datetime.now(UTC)),
            seconds=seconds,
            exit_code=result.exit_code,
            steps=[RunStep.model_validate(dict(step)) for step in result.steps],
            context=dict(result.context),
            attempts=[RunAttempt.model_validate(dict(each)) for each in result.attempts],
        )
        return Ran(result, record)

    @contextmanager
    def ready(self, target: str | Path, *, verify: bool = True) -> Iterator[Ready]:
        """Give a package that can be run, with all that it requires.

        A requirement is solved and verified, and unpacked in the cache where it isn't there yet.
        What is signed in a folder is verified there, unless not `verify`.

        Raises:
            Untrusted: and its subclasses, for what can't be believed.
        """
        if isinstance(target, Path):
            with self._ready_here(target, verify=verify) as ready:
                yield ready
            return
        lock = self.lock([target])
        reader = self.reader
        verified = self._read(lock, reader)
        with Unpacked(reader, self.cache, self.jobs) as unpacked:
            unpacked.bring(verified, layers=False)
            parts = [unpacked.part(each) for each in verified]
            release = next(each for each in verified if each.name in lock.roots)
            with view(parts, lock.dumps()) as out:
                yield Ready(
                    out / release.title,
                    str(release.name),
                    release.metadata.version,
                    release.metadata.entry.runner,
                    release.descriptor.digest,
                    tuple(release.signatures),
                    env_key(release.metadata.wheels) if release.wheels else None,
                )

    @contextmanager
    def _ready_here(self, folder: Path, *, verify: bool) -> Iterator[Ready]:
        tree = read_tree(folder)
        has_lock = (tree.out / LOCK_NAME).is_file()
        is_signed = has_lock or (tree.path / "metadata" / "release.json").is_file()
        mine: VerifiedTree | None = None
        if is_signed and verify:
            found = self._verify_to_run(tree, tree.out if has_lock else tree.path)
            mine = next((each for each in found if each.path == tree.path), None)
        wheels = tree.metadata.wheels
        with self._with_envs(tree) as out:
            yield Ready(
                out / tree.metadata.title,
                tree.metadata.name,
                tree.metadata.version,
                tree.metadata.entry.runner,
                None if mine is None else mine.digest,
                () if mine is None else mine.signers,
                env_key(wheels) if wheels else None,
            )

    def _verify_to_run(self, tree: PackageTree, place: Path) -> list[VerifiedTree]:
        """Verify what lies in `place` with the keys that are kept here, or else the registry's."""
        what = f"{tree.metadata.name} {tree.metadata.version}"
        if self._own_url is None:
            compare_with_statement(tree, signed_statements(tree)[0].statement)
            self.output.warn(
                f"{what}: its files are as release.json says; who signed that wasn't looked at, "
                "since no registry is named (RECIPEBOX_URL)"
            )
            return []
        offline = self._kept_reader(pins_first_use=True)
        try:
            return Verification(offline, self.cache).verify(place)
        except Tampered:
            raise
        except (Untrusted, NotCached, VerificationFailed):
            if self.is_offline:
                raise
            return self.verify(place)

    @contextmanager
    def _with_envs(self, tree: PackageTree) -> Iterator[Path]:
        """Give an OUT in which each package has its wheels: its own one, where that is so."""
        found = [
            read_tree(path.parent.parent)
            for path in sorted(tree.out.glob("*/*/metadata/package.json"))
        ]
        lacking = {
            each.path for each in found if each.metadata.wheels and not (each.path / "env").is_dir()
        }
        if not lacking:
            yield tree.out
            return
        with ExitStack() as stack:
            parts = []
            for each in found:
                env = each.path / "env"
                kept = self._env_of(each, stack) if each.path in lacking else None
                parts.append(
                    Part(each.metadata.title, each.path, kept or (env if env.is_dir() else None))
                )
            lock = tree.out / LOCK_NAME
            text = lock.read_text(encoding="utf-8") if lock.is_file() else None
            yield stack.enter_context(view(parts, text))

    def _env_of(self, tree: PackageTree, stack: ExitStack) -> Path:
        wheels = tree.metadata.wheels

        def files() -> Mapping[str, Path]:
            return wheels_of(tree, wheels_here(wheels), lambda: self.reader)

        return stack.enter_context(kept_env(self.cache, wheels, files))

    # Crossing an air gap

    def export(self, lock: Lock, path: str) -> Exported:
        """Write what a lock pins, with all that belongs to it, into one file; `-` is stdout.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; nothing is written.
            Misuse: packages of it come from several registries.
        """
        self.registries.check_sources(lock)
        if elsewhere := from_elsewhere(lock, self.url):
            raise Misuse(
                f"an archive is of one registry, {self.url}, and not all of the lock comes from "
                f"there: {listed(elsewhere)}",
                hint="export what comes from each with --url; import needs all that is required",
            )
        contents = gather(lock, self.transport, self.releases, self.output, self.jobs)
        return write_file(contents, lock, path, self.output)

    def import_archive(
        self,
        path: str,
        *,
        to: Path | None = None,
        replace: bool = False,
        dry_run: bool = False,
    ) -> Imported:
        """Read a file that `export` wrote (`-` is stdin) into the registry, or a folder `to`.

        For a folder, no registry is asked, and only who is pinned already is believed.

        Raises:
            InvalidArchive: it isn't one, or not all of it; nothing was changed.
            Untrusted: and its subclasses, for what can't be believed.
            Conflicting: something else is there, and not `replace`.
        """
        with opened(path, self.cache, self.output) as archive:
            if to is not None:
                return self._import_here(archive, to, replace=replace, dry_run=dry_run)
            url = self.url
            self.registries.check_held(archive.lock, url, "the archive")
            if dry_run:
                return Imported(url, [_drawn(each) for each in archive.lock.packages])
            pushed = push_archive(archive, self.transport, self.output, self.jobs)
            return Imported(url, pushed)

    def _import_here(
        self, archive: Archive, out: Path, *, replace: bool, dry_run: bool
    ) -> Imported:
        reader = self._archive_reader(archive)
        verified = _believed(archive.lock, reader)
        drawn = [_drawn(each) for each in archive.lock.packages]
        if dry_run:
            return Imported(reader.registry, drawn)
        laid_out = self._lay_out(verified, reader, archive.lock, out, replace=replace)
        self.cache.adopt(archive.blobs)
        places = {each.title: each for each in laid_out}
        for each in drawn:
            placed = places[f"{each['name']}-{each['version']}"]
            each |= {"path": str(placed.path), "is_new": placed.is_new}
        return Imported(reader.registry, drawn)

    # Promoting

    def promote(
        self,
        application: str,
        channel: str,
        *,
        lock: str | None = None,
        bundle: str | None = None,
        images: Sequence[str] = (),
    ) -> Promoted:
        """Point a channel to the bundle of a lock's text and images, or to one that is there.

        The first promotion creates the application. A bundle of a new lock is signed with the
        user's key; one that nobody signed yet, too.

        Raises:
            Misuse: not exactly one of `lock` and `bundle`, or images without a lock.
            Conflicting: another promotion came first.
            Denied: a gate of the channel refuses the bundle.
        """
        if (lock is None) == (bundle is None):
            raise Misuse("promote either a lock or a bundle", hint="give --lock or --bundle")
        if images and lock is None:
            raise Misuse(
                "a bundle that is there has its images", hint="give --image with --lock alone"
            )
        name = PackageName.parse(application)
        promoter = Promoter(name, self.transport, self.releases)
        if lock is not None:
            digest, solved = promoter.make_bundle(lock, self.bundles.images(images))
        else:
            digest = Digest.parse(bundle or "")
            solved = promoter.read_bundle(digest).lock
        if not promoter.is_signed(digest):
            promoter.sign(digest, solved, self.signer)
        return promoter.promote(digest, solved, channel)

    # Logging in

    def login(self, token: str) -> tuple[dict[str, Any], str]:
        """Check a token by asking who it is, and keep it; return who, and where it was kept.

        The registry is the default one from now on, unless names are reserved for it.

        Raises:
            Denied: the registry doesn't know it.
        """
        self._token = token
        self._transport = None
        who = self.whoami()
        is_reserved = any(each.url == self.url for each in self.registries.reserved)
        return who, self.credentials.keep(self.url, token, as_default=not is_reserved)

    def logout(self) -> bool:
        """Forget the token for this registry; return whether one was kept."""
        return self.credentials.forget(self.url)


def _believed(lock: Lock, reader: Reader) -> list[VerifiedRelease]:
    platform = check_environment(lock)
    return [reader.of(locked.name).get(locked, platform) for locked in lock.packages]


def check_environment(lock: Lock) -> str | None:
    """Return the platform that a lock is for, which must be this one where it has wheels.

    Raises:
        Misuse: it is for another Python or platform.
    """
    here = Environment(this_python(), platform_here())
    if lock.environment != here and any(package.wheel_sets for package in lock.packages):
        raise Misuse(
            f"the lock is for {lock.environment}, with wheels; this is {here}",
            hint="lock again here, or run recipebox with that Python",
        )
    return lock.environment.platform


def _drawn(package: LockedPackage) -> dict[str, Any]:
    return {
        "name": str(package.name),
        "version": str(package.version),
        "digest": str(package.digest),
    }


def _first(items: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    for _, item in zip(range(count), items, strict=False):
        yield item
