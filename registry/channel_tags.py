"""The tags that a channel shows as, all of them the server's.

::

    team/app:production          the bundle that it holds
    team/app/image:production    the image of that repository in it, for a kubelet

Of images, those have one whose repository's name is below the application's, where the bundle holds
one image of that repository alone. A promotion moves them in its transaction; where the repository
lost the image meanwhile, it gets it back from the application's.
"""

from collections.abc import Mapping

from artifacts.digest import Digest
from artifacts.reference import Tag
from registry import lookups
from registry.access import Principal
from registry.batches import chunks
from registry.oci.contents import Contents, find_manifest
from registry.schema import (
    BundleImageRow,
    BundleRow,
    ManifestPartRow,
    ManifestRow,
    RepositoryRow,
    TagRow,
)


class ChannelTags:
    """Sets the tags of channels, in a transaction of the caller's."""

    def __init__(self, contents: Contents) -> None:
        self._contents = contents

    def set(self, principal: Principal, bundle: BundleRow, channel: str) -> None:
        """Make the tags of a channel say that it holds `bundle`.

        Raises:
            QuotaExceeded: an image comes back to its repository, and doesn't fit.
        """
        application, tag = bundle.repository, Tag(channel)
        self._contents.set_tag(application, tag, bundle.manifest, is_server_owned=True)
        wanted = tagged_images(bundle)
        for row in image_tags(application, channel):
            if row.repository.name not in wanted:
                self._contents.delete_tags(row.repository, [channel])
        for name, digest in wanted.items():
            repository = lookups.repository(name)
            image = find_manifest(application, Digest.parse(digest))
            if repository is None or image is None:  # nothing deletes either; `admin check` tells
                continue
            for each in _with_what_is_below(application, image):
                linked = self._contents.link_manifest(principal, each, repository)
            self._contents.set_tag(repository, tag, linked, is_server_owned=True)


def tagged_images(bundle: BundleRow) -> Mapping[str, str]:
    """Return the digests of the images that a channel with this bundle tags, by repository."""
    below = f"{bundle.repository.name}/"
    found: dict[str, list[str]] = {}
    for row in BundleImageRow.select().where(BundleImageRow.bundle == bundle):
        if row.repository.startswith(below):
            found.setdefault(row.repository, []).append(row.digest)
    return {name: digests[0] for name, digests in sorted(found.items()) if len(digests) == 1}


def image_tags(application: RepositoryRow, channel: str) -> list[TagRow]:
    """Return the tags of a channel on repositories of images, by the repository's name."""
    first, after = f"{application.name}/", f"{application.name}0"  # '0' comes after '/'
    query = (
        TagRow.select(TagRow, RepositoryRow)
        .join(RepositoryRow)
        .where(
            (RepositoryRow.name > first)
            & (RepositoryRow.name < after)
            & (TagRow.name == channel)
            & TagRow.is_server_owned
        )
    )
    return list(query.order_by(RepositoryRow.name))


def _with_what_is_below(application: RepositoryRow, image: ManifestRow) -> list[ManifestRow]:
    """Return the manifests that an image consists of, its own last."""
    found = {image.digest: image}
    fresh = [image]
    while fresh:
        below: list[ManifestRow] = []
        for chunk in chunks(each.id for each in fresh):
            parts = ManifestPartRow.select(ManifestPartRow.digest).where(
                ManifestPartRow.manifest.in_(chunk) & ManifestPartRow.is_manifest
            )
            query = ManifestRow.select().where(
                (ManifestRow.repository == application) & ManifestRow.digest.in_(parts)
            )
            below.extend(query)
        fresh = [each for each in below if each.digest not in found]
        found |= {each.digest: each for each in fresh}
    return list(found.values())[::-1]
