"""What the `bundle` commands do for a client: find, read, check, compare, copy and fetch one."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from artifacts.digest import Digest
from artifacts.reference import PackageName, RepositoryName
from recipebox.bundle_copy import (
    BundleCopy,
    Copied,
    packed_archive,
    tag_of,
    unpacked_archive,
)
from recipebox.bundle_reference import (
    BundleReference,
    LayoutReference,
    RegistryReference,
    parse_bundle_reference,
)
from recipebox.bundles import (
    Bundle,
    BundledImage,
    BundleReader,
    BundleSource,
    CheckedBundle,
    ListedSignature,
    keys_of,
    read_bundle,
)
from recipebox.cache import Cache
from recipebox.errors import Conflicting, Missing, Misuse, NotCached
from recipebox.promotion import ImageReference, Promoter
from recipebox.releases import Releases
from recipebox.repositories import ArtifactRepository, LayoutRepository, RegistryRepository
from resolver.lock import Lock, LockedPackage
from signing.statement import Promotion

if TYPE_CHECKING:
    from recipebox.client import Client

Tell = Callable[[str, str], None]
_HELD = RepositoryName("bundle")  # which repository is asked for doesn't matter to a BundleSource


def _quiet(_name: str, _detail: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True)
class CreatedBundle:
    """A bundle that the server made of a lock and images, and by which key it is signed now."""

    application: str
    digest: Digest
    packages: dict[str, str]
    images: tuple[ImageReference, ...]
    fingerprint: str
    is_newly_signed: bool
    url: str


@dataclass(frozen=True, slots=True)
class ShownBundle:
    """A bundle as it lies somewhere, with what is known of who signed and promoted it.

    `channels` are those of the application that point to it now; None where that isn't known.
    """

    place: str
    bundle: Bundle
    signatures: list[ListedSignature]
    promotions: list[Promotion]
    ignored: list[str]
    channels: list[str] | None


@dataclass(frozen=True, slots=True)
class ImageDifference:
    """Which images differ, by repository and digest; `changed` has the digests before and after.

    Where a bundle holds several images of a repository, they come and go.
    """

    added: tuple[ImageReference, ...] = ()
    removed: tuple[ImageReference, ...] = ()
    changed: tuple[tuple[RepositoryName, Digest, Digest], ...] = ()


@dataclass(frozen=True, slots=True)
class BundleDifference:
    """What differs from one bundle to another."""

    before: Digest
    after: Digest
    added: dict[str, LockedPackage] = field(default_factory=dict)
    removed: dict[str, LockedPackage] = field(default_factory=dict)
    changed: dict[str, tuple[LockedPackage, LockedPackage]] = field(default_factory=dict)
    requirements: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    environments: tuple[str, str] = ("", "")
    images: "ImageDifference" = ImageDifference()

    @property
    def is_none(self) -> bool:
        """Whether nothing that is deployed differs."""
        return not (
            self.added
            or self.removed
            or self.changed
            or any(self.requirements)
            or self.images != ImageDifference()
            or self.environments[0] != self.environments[1]
        )


def compare_locks(before: tuple[Digest, Lock], after: tuple[Digest, Lock]) -> BundleDifference:
    """Compare the locks of two bundles. No IO.

    `requirements` are those that are gone, and those that are new.
    """
    old = {str(each.name): each for each in before[1].packages}
    new = {str(each.name): each for each in after[1].packages}
    asked = {str(each) for each in before[1].requirements}
    asks = {str(each) for each in after[1].requirements}
    return BundleDifference(
        before[0],
        after[0],
        added={name: new[name] for name in sorted(new.keys() - old.keys())},
        removed={name: old[name] for name in sorted(old.keys() - new.keys())},
        changed={
            name: (old[name], new[name])
            for name in sorted(old.keys() & new.keys())
            if old[name] != new[name]
        },
        requirements=(tuple(sorted(asked - asks)), tuple(sorted(asks - asked))),
        environments=(str(before[1].environment), str(after[1].environment)),
    )


def compare_images(
    before: Sequence[BundledImage], after: Sequence[BundledImage]
) -> ImageDifference:
    """Compare the images of two bundles, by the repositories that they are of. No IO."""
    old, new = _by_repository(before), _by_repository(after)
    added: list[ImageReference] = []
    removed: list[ImageReference] = []
    changed: list[tuple[RepositoryName, Digest, Digest]] = []
    for name in sorted({*old, *new}):
        gone = sorted(old.get(name, set()) - new.get(name, set()), key=str)
        come = sorted(new.get(name, set()) - old.get(name, set()), key=str)
        if len(gone) == len(come) == 1:
            changed.append((name, gone[0], come[0]))
        else:
            removed += [(name, each) for each in gone]
            added += [(name, each) for each in come]
    return ImageDifference(tuple(added), tuple(removed), tuple(changed))


def _by_repository(images: Sequence[BundledImage]) -> dict[RepositoryName, set[Digest]]:
    found: dict[RepositoryName, set[Digest]] = {}
    for image in images:
        for name in image.repositories:
            found.setdefault(name, set()).add(image.digest)
    return found


@dataclass(frozen=True, slots=True)
class Opened:
    """A bundle's place, and what reads it; `application` is whose it is, where the place says."""

    place: ArtifactRepository | None
    reader: Releases
    source: BundleSource | None
    digest: Digest
    name: str
    application: PackageName | None

    def read(self) -> Bundle:
        """Read the bundle, nothing of which is believed yet."""
        bundle = read_bundle(
            self.reader, _HELD, self.digest, f"bundle {self.digest} of {self.name}"
        )
        if self.source is not None:
            self.source.hold(bundle)
        return bundle


class BundleWork:
    """Works with bundles, wherever they are, by what a client has: cache, pins and logins."""

    def __init__(self, client: "Client") -> None:
        self._client = client

    def create(self, application: str, lock: str, images: Sequence[str] = ()) -> CreatedBundle:
        """Have the server make the bundle of a lock and images, compare them, and sign it.

        Raises:
            Misuse, Missing: an image that can't be meant, or a tag that isn't there.
            Denied: a part is missing, yanked or unsigned.
            Tampered: it holds something else than the lock pins, or other images.
        """
        client = self._client
        name = PackageName.parse(application)
        promoter = Promoter(name, client.transport, client.releases)
        wanted = self.images(images)
        digest, solved = promoter.make_bundle(lock, wanted)
        fingerprint, is_new = promoter.sign(digest, solved, client.signer)
        packages = {str(each.name): str(each.version) for each in solved.packages}
        url = f"{client.url}/applications/{name}"
        return CreatedBundle(str(name), digest, packages, wanted, fingerprint, is_new, url)

    def images(self, texts: Sequence[str]) -> tuple[ImageReference, ...]:
        """Return which images are meant, each once; a tag is what it names now, which is said.

        Raises:
            Misuse: not an image of this registry, or without a digest or tag.
            Missing: there is no such tag.
        """
        found: dict[ImageReference, None] = {}
        for text in texts:
            reference = self._parse(text)
            if not isinstance(reference, RegistryReference) or not self._is_ours(reference):
                raise Misuse(
                    f"{text}: an image of a bundle is in the registry that makes the bundle",
                    hint=f"copy it to {self._client.url} first, and give team/app/image@sha256:…",
                )
            if reference.reference is None:
                raise Misuse(
                    f"{text}: which image?", hint=f"give its digest or a tag: {text}@sha256:…"
                )
            digest = RegistryRepository(self._client.transport, reference.repository).resolve(
                reference.reference
            )
            if digest != reference.reference:
                self._client.output.note(f"{text} is {digest} now")
            found[reference.repository, digest] = None
        return tuple(found)

    def show(self, reference: str) -> ShownBundle:
        """Read a bundle, and say who signed and promoted it; nobody is pinned by that.

        Raises:
            Missing, Tampered, Unreachable: it can't be read, or isn't what it says.
        """
        with self._opened(reference, pins_first_use=False) as opened:
            bundle = opened.read()
            reading = BundleReader(opened.reader, _HELD, self._client.output)
            promotions, ignored = reading.listed_promotions(bundle)
            channels = None
            if opened.application is not None and not self._client.is_offline:
                promoter = Promoter(
                    opened.application, self._client.transport, self._client.releases
                )
                channels = [
                    str(each["name"])
                    for each in self._channels(promoter)
                    if each["bundle"] == str(bundle.digest)
                ]
            return ShownBundle(
                opened.name,
                bundle,
                reading.listed_signatures(bundle),
                promotions,
                ignored,
                channels,
            )

    def diff(self, before: str, after: str) -> BundleDifference:
        """Compare two bundles, wherever they are.

        Raises:
            Missing, Tampered, Unreachable: one can't be read, or isn't what it says.
        """
        read = []
        for each in (before, after):
            with self._opened(each) as opened:
                read.append(opened.read())
        old, new = read
        found = compare_locks((old.digest, old.lock), (new.digest, new.lock))
        return replace(found, images=compare_images(old.images, new.images))

    def verify(
        self,
        reference: str,
        *,
        application: str | None = None,
        allow_unsigned: bool = False,
        tell: Tell = _quiet,
    ) -> CheckedBundle:
        """Verify a bundle: every byte of it, as it lies there, and every signature.

        Offline, what is in the cache is verified.

        Raises:
            Untrusted: and its subclasses, for what can't be believed.
            Missing, Unreachable: a part can't be had.
        """
        client = self._client
        if client.is_offline and isinstance(self._parse(reference), RegistryReference):
            return self._verify(reference, client.cache, application, allow_unsigned, tell)
        with client.cache.staging() as staging:
            checked = self._verify(reference, staging, application, allow_unsigned, tell)
            client.cache.adopt(staging, with_index=True)
            return checked

    def _verify(
        self,
        reference: str,
        cache: Cache,
        application: str | None,
        allow_unsigned: bool,  # noqa: FBT001 - as it was given
        tell: Tell,
    ) -> CheckedBundle:
        with self._opened(reference, cache) as opened:
            bundle = self._own(opened)
            reading = BundleReader(opened.reader, _HELD, self._client.output, tell)
            checked = reading.check(
                bundle,
                application=_wanted(application, opened),
                allow_unsigned=allow_unsigned,
            )
            reading.check_bytes(checked, self._client.jobs)
            return checked

    @contextmanager
    def checked(
        self,
        reference: str,
        *,
        application: str | None = None,
        allow_unsigned: bool = False,
        admit: Callable[[Lock], str | None] = lambda _lock: None,
    ) -> Iterator[tuple[CheckedBundle, Releases]]:
        """Give a bundle whose signatures hold, and what reads the rest of it.

        `admit` is asked for which platform wheels are wanted, or refuses the lock.

        Raises:
            Untrusted: and its subclasses, for what can't be believed.
            Missing, Unreachable: a part can't be had.
        """
        with self._opened(reference) as opened:
            bundle = self._own(opened)
            reading = BundleReader(opened.reader, _HELD, self._client.output)
            checked = reading.check(
                bundle,
                application=_wanted(application, opened),
                allow_unsigned=allow_unsigned,
                platform=admit(bundle.lock),
            )
            yield checked, opened.reader

    def copy(
        self,
        reference: str,
        target: str,
        *,
        application: str | None = None,
        allow_unsigned: bool = False,
    ) -> Copied:
        """Copy a bundle with its signatures and promotions; what is there isn't copied again.

        Raises:
            Untrusted: and its subclasses, for what can't be believed; or what came out differs.
            Conflicting: a registry makes another bundle of the lock.
            ClientError: what the target refused.
        """
        client = self._client
        wanted = self._parse(target)
        with self._opened(reference) as opened:
            if opened.place is None:
                raise NotCached(
                    "a bundle is copied from where it is", hint="run it without --offline"
                )
            bundle = self._own(opened)
            reading = BundleReader(opened.reader, _HELD, client.output)
            reading.check(
                bundle,
                application=_wanted(application, opened),
                allow_unsigned=allow_unsigned,
            )
            tag = tag_of(wanted.reference, bundle.digest)
            is_made = self._made_there(wanted, bundle)
            copying = BundleCopy(opened.place, opened.reader, _HELD, client.output, client.jobs)
            with self._target(wanted) as place:
                return copying.copy(bundle, place, None if is_made else tag, is_made=is_made)

    def _own(self, opened: Opened) -> Bundle:
        """Read a bundle that is believed by the pins of the client's own registry.

        Raises:
            Untrusted: names in it are reserved for another registry, whose pins are what counts.
        """
        bundle = opened.read()
        what = f"bundle {bundle.digest} of {opened.name}"
        self._client.registries.check_held(bundle.lock, self._client.url, what)
        return bundle

    def _made_there(self, target: BundleReference, bundle: Bundle) -> bool:
        """Have an application's own bundle made where the target is one; return whether it is.

        Raises:
            Conflicting: the registry makes another one.
        """
        client = self._client
        if not isinstance(target, RegistryReference) or not self._is_ours(target):
            return False
        try:
            name = PackageName.parse(str(target.repository))
        except ValueError:
            return False
        promoter = Promoter(name, client.transport, client.releases)
        images = [(each, image.digest) for image in bundle.images for each in image.repositories]
        made, _ = promoter.make_bundle(bundle.lock.dumps(), images)
        if made != bundle.digest:
            raise Conflicting(
                f"{client.url} makes {made} of this lock for {name}, not {bundle.digest}: its "
                "receipts or wheel sets are others",
                hint=f"sign that one: recipebox bundle create {name} --lock FILE; or copy into a "
                f"plain repository, such as {name.namespace}/mirror/{name.name}",
                made=str(made),
                expected=str(bundle.digest),
            )
        return True

    @staticmethod
    def _channels(promoter: Promoter) -> list[dict[str, Any]]:
        try:
            return promoter.channels()
        except Missing:
            return []  # a plain repository

    def _parse(self, text: str) -> BundleReference:
        return parse_bundle_reference(text, insecure=self._client.is_insecure)

    def _is_ours(self, reference: RegistryReference) -> bool:
        return reference.url is None or reference.url == self._client.url

    @contextmanager
    def _opened(
        self, text: str, cache: Cache | None = None, *, pins_first_use: bool = True
    ) -> Iterator[Opened]:
        """Open the place of a bundle.

        Raises:
            NotCached: offline, and it is in a registry and named by a tag.
        """
        client = self._client
        reference = self._parse(text)
        if isinstance(reference, RegistryReference) and client.is_offline:
            if not isinstance(reference.reference, Digest):
                raise NotCached(
                    f"{text}: offline, what a tag or channel names isn't known",
                    hint="give the digest: …@sha256:…",
                )
            digest = reference.reference
            yield self._made(reference, None, None, digest, cache, pins_first_use=pins_first_use)
            return
        with self._place(reference) as place:
            digest = place.resolve(reference.reference)
            place.manifest(digest)  # is it there? the cache may have it from somewhere else
            transport = None if client.is_offline else client.transport
            source = BundleSource(place, digest, keys_of(transport, client.output))
            yield self._made(reference, place, source, digest, cache, pins_first_use=pins_first_use)

    def _made(
        self,
        reference: BundleReference,
        place: ArtifactRepository | None,
        source: BundleSource | None,
        digest: Digest,
        cache: Cache | None,
        *,
        pins_first_use: bool,
    ) -> Opened:
        client = self._client
        reader = Releases(
            client.url,
            source,
            cache or client.cache,
            client.trust,
            client.output,
            pins_first_use=pins_first_use,
            kept_as=f"bundle in {self._kept_as(reference)}",
        )
        application = None
        if isinstance(reference, RegistryReference) and self._is_ours(reference):
            application = _application(reference.repository)
        name = str(reference) if place is None else place.name
        return Opened(place, reader, source, digest, name, application)

    def _kept_as(self, reference: BundleReference) -> str:
        if isinstance(reference, LayoutReference):
            return str(reference.path.absolute())
        return f"{reference.url or self._client.url}/{reference.repository}"

    @contextmanager
    def _place(self, reference: BundleReference) -> Iterator[ArtifactRepository]:
        if isinstance(reference, RegistryReference):
            yield self._registry(reference)
        elif reference.is_archive:
            with unpacked_archive(reference.path, self._client.cache.root / "staging") as layout:
                yield layout
        else:
            yield LayoutRepository.opened(reference.path)

    @contextmanager
    def _target(self, reference: BundleReference) -> Iterator[ArtifactRepository]:
        if isinstance(reference, RegistryReference):
            yield self._registry(reference)
        elif reference.is_archive:
            with packed_archive(reference.path) as layout:
                yield layout
        else:
            yield LayoutRepository.created(reference.path)

    def _registry(self, reference: RegistryReference) -> RegistryRepository:
        client = self._client
        ours = self._is_ours(reference)
        if client.is_offline:
            raise Misuse(f"{reference} is in a registry", hint="run it without --offline")
        transport = client.transport if ours else client.other_transport(str(reference.url))
        return RegistryRepository(transport, reference.repository)


def _application(repository: RepositoryName) -> PackageName | None:
    try:
        return PackageName.parse(str(repository))
    except ValueError:
        return None


def _wanted(application: str | None, opened: Opened) -> PackageName | None:
    return PackageName.parse(application) if application else opened.application
