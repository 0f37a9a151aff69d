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
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from requests.adapters import BaseAdapter

from artifacts import media
from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName, check_namespace
from recipebox.cache import Cache
from recipebox.config import Credentials, Places, check_url
from recipebox.errors import Missing, Misuse, NotCached, Tampered, Unsigned
from recipebox.install import LOCK_NAME, LaidOut, lay_out
from recipebox.output import Output
from recipebox.promotion import Promoted, Promoter
from recipebox.publishing import Signed, Signer, make_signer, plan_push, push, sign_tree
from recipebox.releases import CHANGED_HERE, Releases, SignedStatement
from recipebox.source import CachedSource, RegistrySource
from recipebox.transport import Transport
from recipebox.trust import TrustStore
from recipes.environment import compare_env, platform_here, wheels_in
from recipes.errors import ChangedEnvironment
from recipes.evidence import Evidence, folder_of, read_evidence
from recipes.layers import build_release
from recipes.package import PackageTree, read_tree
from resolver.candidate import Environment
from resolver.lock import Lock
from resolver.offers import Pins
from resolver.requirement import Requirement
from resolver.solve import Solution, solve
from settings.load import Settings


@dataclass(frozen=True, slots=True)
class VerifiedTree:
    """A package on disk whose every file is as its pinned signers signed it.

    `has_proof` says whether they signed a proof too, `documents` which documents about it.
    """

    name: str
    version: str
    digest: Digest
    signers: tuple[str, ...]
    files: int
    path: Path
    has_proof: bool
    documents: tuple[str, ...]


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
        """
        self.places = places or Places.of_platform()
        self.output = output or Output()
        self.cache = Cache(self.places.cache)
        self.credentials = Credentials(self.places)
        self.is_offline = offline
        self.jobs = jobs
        self.signer = signer or make_signer(None, None, None)
        self._given_url = url
        self._token = token
        self._insecure = insecure
        self._timeout = timeout
        self._retries = retries
        self._adapter = adapter
        self._transport: Transport | None = None

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
        if self._transport is not None:
            self._transport.close()

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
        return check_url(found, insecure=self._insecure)

    @property
    def transport(self) -> Transport:
        """The seam to the network.

        Raises:
            NotCached: the client is offline.
        """
        if self.is_offline:
            raise NotCached("this needs the registry", hint="run it without --offline")
        if self._transport is None:
            url = self.url
            self._transport = Transport(
                url,
                self._token or self.credentials.find_token(url),
                insecure=self._insecure,
                timeout=self._timeout,
                retries=self._retries,
                verify=os.environ.get("SSL_CERT_FILE") or True,
            )
            if self._adapter is not None:
                self._transport.mount(self._adapter)
        return self._transport

    @property
    def trust(self) -> TrustStore:
        """The pins for this registry."""
        return TrustStore(self.places, self.url)

    @property
    def releases(self) -> Releases:
        """What reads and verifies releases."""
        transport = None if self.is_offline else self.transport
        return Releases(self.url, transport, self.cache, self.trust, self.output)

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
        return self.transport.api("GET", f"/api/v1/packages/{PackageName.parse(name)}")

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
            return drawn | push(self.transport, planned, self.output, self.jobs)

    def yank(self, name: str, version: str, reason: str) -> dict[str, Any]:
        """Take a release out of what solvers choose; locks that pin it go on working."""
        return self.transport.api(
            "POST", self._yank_path(name, version), body={"reason": reason}, repeatable=True
        )

    def unyank(self, name: str, version: str) -> dict[str, Any]:
        """Take a yank back."""
        return self.transport.api("DELETE", self._yank_path(name, version))

    @staticmethod
    def _yank_path(name: str, version: str) -> str:
        from resolver.version import Version

        package = PackageName.parse(name)
        return f"/api/v1/packages/{package}/releases/{Version.parse(version)}/yank"

    # Solving

    def solve(
        self,
        requirements: Sequence[str],
        *,
        python: str | None = None,
        platform: str | None = None,
        pins: Pins | None = None,
        allow_prereleases: bool = False,
    ) -> Solution:
        """Solve requirements such as `team/etl ^1.2` at one revision of the index.

        `python` and `platform` are this interpreter's and this machine's by default; `pins` are
        those of a lock, whose yanked releases stay candidates.

        Raises:
            ResolutionImpossible: nothing fits; the error says why, in sentences.
        """
        wanted = [Requirement.parse(text) for text in requirements]
        environment = Environment(python or this_python(), platform or platform_here())
        source = self._source([each.package for each in wanted])
        for each in wanted:
            if source.find_index(each.package) is None:
                raise Missing(
                    f"there is no package {each.package} at {self.url} that you may read",
                    hint=f"look for it: recipebox search {each.package.name}",
                    package=str(each.package),
                )
        return solve(wanted, source, environment, pins=pins, allow_prereleases=allow_prereleases)

    def lock(self, requirements: Sequence[str], *, allow_prereleases: bool = False) -> Lock:
        """Solve requirements for this machine, and freeze the answer.

        Raises:
            ResolutionImpossible: nothing fits; the error says why, in sentences.
        """
        return Lock.from_solution(self.solve(requirements, allow_prereleases=allow_prereleases))

    def _source(self, roots: Sequence[PackageName]) -> RegistrySource | CachedSource:
        if self.is_offline:
            return CachedSource(self.url, self.cache, roots)
        return RegistrySource(self.transport, self.cache)

    # Fetching

    def fetch(self, lock: Lock, out: Path, *, replace: bool = False) -> list[LaidOut]:
        """Verify everything that a lock pins, and lay it out in `out`, all at once.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; nothing is laid out.
            Conflicting: something else is there, and not `replace`.
            Interrupted: the transfer broke off; nothing is laid out.
        """
        here = Environment(this_python(), platform_here())
        if lock.environment != here and any(package.wheel_sets for package in lock.packages):
            raise Misuse(
                f"the lock is for {lock.environment}, with wheels; this is {here}",
                hint="lock again here, or run recipebox with that Python",
            )
        reader = self.releases
        verified = [reader.get(locked, lock.environment.platform) for locked in lock.packages]
        blobs = reader.download(verified, self.jobs)
        return lay_out(out, verified, blobs, lock.dumps(), replace=replace)

    def verify(self, folder: Path) -> list[VerifiedTree]:
        """Verify the packages on disk in `folder`: every file as signed, and by whom.

        Files are compared with release.json, and release.json's signatures with the pins; env/ with
        what the signed wheels unpack to, which are downloaded where they aren't cached. With a
        connection the keys are refreshed, so that a revoked one is noticed. Where `folder` has a
        lock, all that it pins must be there, with the digests that it pins.

        Raises:
            Unsigned, UnknownSigner, Untrusted: nobody who counts signed it well.
            Tampered: a file is missing, added or changed.
            Missing: a package of the lock isn't there.
        """
        path = folder / LOCK_NAME
        if not path.is_file():
            return [self._verify_tree(folder)]
        verified = []
        for package in Lock.loads(path.read_text(encoding="utf-8")).packages:
            place = folder / f"{package.name}-{package.version}"
            if not place.is_dir():
                raise Missing(
                    f"{place}: the lock pins it, and it isn't there",
                    hint=f"fetch it: recipebox fetch --frozen {path} --out {folder}",
                )
            tree = self._verify_tree(place)
            if tree.digest != package.digest:
                raise Tampered(
                    f"{package.name} {package.version} in {place}",
                    expected=f"{package.digest}, as {path} pins it",
                    found=tree.digest,
                    hint="the lock or the package is another one: fetch it again, with this lock",
                )
            verified.append(tree)
        return verified

    def _verify_tree(self, folder: Path) -> VerifiedTree:
        tree = read_tree(folder)
        what = f"{tree.metadata.name} {tree.metadata.version}"
        signed = _signed_statements(tree)
        namespace = tree.metadata.name.partition("/")[0]
        statement, good = self.releases.signers(namespace, what, signed)
        with tempfile.TemporaryDirectory(prefix="recipebox-") as into:
            artifact = build_release(tree.path, Path(into))
        release = Releases.read_release(
            what, statement, artifact.descriptor.digest, tree.metadata, files=artifact.files
        )
        self._verify_env(what, tree)
        evidence = self._verify_evidence(what, tree, release.manifest)
        return VerifiedTree(
            tree.metadata.name,
            tree.metadata.version,
            release.manifest,
            tuple(sorted(good)),
            len(release.files),
            tree.path,
            evidence.proof is not None,
            tuple(evidence.documents),
        )

    def _verify_evidence(self, what: str, tree: PackageTree, manifest: Digest) -> Evidence:
        """Return the evidence beside a tree, once somebody pinned has signed it; nothing if none.

        What was left unsigned because it is about other bytes is nobody's word, and is left out.
        """
        folder = folder_of(tree.out, tree.metadata.title)
        evidence = read_evidence(folder)
        if not evidence.is_about(manifest):
            if not evidence.signatures:
                return Evidence()
            raise Tampered(
                f"{what}: what its evidence in {folder} is about",
                expected=manifest,
                found="another manifest",
                hint=CHANGED_HERE,
            )
        for kind, statement in evidence.statements.items():
            signed = [
                SignedStatement(statement, each)
                for each in evidence.signatures.get(kind, {}).values()
            ]
            self.releases.signers(
                tree.metadata.name.partition("/")[0], f"{what}: its {kind}", signed
            )
        return evidence

    def _verify_env(self, what: str, tree: PackageTree) -> None:
        """Compare env/ with what the wheels unpack to, whose sha256 package.json has."""
        env = tree.path / "env"
        if not tree.metadata.wheels or not env.exists():
            return
        repository = PackageName.parse(tree.metadata.name).repository
        try:
            wheels = wheels_in(env, tree.metadata.wheels)
            blobs = {
                each.filename: Descriptor(media.WHEEL, Digest("sha256", each.sha256), each.size)
                for each in wheels
            }
            files = {
                name: self._wheel(tree, name, blob, repository) for name, blob in blobs.items()
            }
            compare_env(wheels, files, env)
        except ChangedEnvironment as error:
            raise Tampered(
                f"{what}: {error.path}",
                expected=error.expected,
                found=error.found,
                hint=CHANGED_HERE,
            ) from error

    def _wheel(
        self, tree: PackageTree, name: str, blob: Descriptor, repository: RepositoryName
    ) -> Path:
        """Return a wheel that `pack` laid out beside the tree, or else the cache's."""
        path = tree.out / "wheels" / name
        if path.is_file() and Digest.of(path.read_bytes()) == blob.digest:
            return path
        return self.releases.blob(repository, blob)

    # Promoting

    def promote(
        self,
        application: str,
        channel: str,
        *,
        lock: str | None = None,
        bundle: str | None = None,
    ) -> Promoted:
        """Point a channel to the bundle of a lock's text, or to one that is there.

        The first promotion creates the application. A bundle of a new lock is signed with the
        user's key; one that nobody signed yet, too.

        Raises:
            Misuse: not exactly one of `lock` and `bundle`.
            Conflicting: another promotion came first.
            Denied: a gate of the channel refuses the bundle.
        """
        if (lock is None) == (bundle is None):
            raise Misuse("promote either a lock or a bundle", hint="give --lock or --bundle")
        name = PackageName.parse(application)
        promoter = Promoter(name, self.transport, self.releases)
        if lock is not None:
            digest, solved = promoter.make_bundle(lock)
        else:
            digest = Digest.parse(bundle or "")
            solved, _ = promoter.read_bundle(digest)
        if not promoter.is_signed(digest):
            promoter.sign(digest, solved, self.signer)
        return promoter.promote(digest, solved, channel)

    # Logging in

    def login(self, token: str) -> tuple[dict[str, Any], str]:
        """Check a token by asking who it is, and keep it; return who, and where it was kept.

        Raises:
            Denied: the registry doesn't know it.
        """
        self._token = token
        self._transport = None
        who = self.whoami()
        return who, self.credentials.keep(self.url, token)

    def logout(self) -> bool:
        """Forget the token for this registry; return whether one was kept."""
        return self.credentials.forget(self.url)


def _signed_statements(tree: PackageTree) -> list[SignedStatement]:
    metadata = tree.path / "metadata"
    path = metadata / "release.json"
    files = sorted((metadata / "signatures").glob("*.asc"))
    if not path.is_file() or not files:
        raise Unsigned(
            f"{tree.metadata.name} {tree.metadata.version} in {tree.path}: no signature",
            hint="its publisher signs it: recipebox sign",
        )
    statement = path.read_bytes()
    signatures = [file.read_text("ascii", "replace") for file in files]
    first = metadata / "signature.asc"
    if not first.is_file() or first.read_text("ascii", "replace") not in signatures:
        raise Tampered(
            f"{tree.metadata.name} {tree.metadata.version}: metadata/signature.asc",
            expected="one of metadata/signatures",
            found="another signature" if first.is_file() else "no such file",
            hint=CHANGED_HERE,
        )
    return [SignedStatement(statement, each) for each in signatures]


def _first(items: Iterator[dict[str, Any]], count: int) -> Iterator[dict[str, Any]]:
    for _, item in zip(range(count), items, strict=False):
        yield item
