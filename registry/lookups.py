"""What nearly every request looks up, by one index each; prepared, in a session of the caller's.

Each returns a row as the same query of peewee's would, or None.
"""

from registry.prepared import Prepared
from registry.schema import (
    BlobDataRow,
    BlobRow,
    ManifestRow,
    NamespaceRow,
    ReleaseRow,
    RepositoryBlobRow,
    RepositoryRow,
    ReviewRow,
    SwitchRow,
    TagRow,
    TokenRow,
    UploadRow,
)

token = Prepared[TokenRow](
    lambda public_id: TokenRow.select().where(TokenRow.public_id == public_id), ""
).first
"""The token with a public id."""

namespace = Prepared[NamespaceRow](
    lambda name: NamespaceRow.select().where(NamespaceRow.name == name), ""
).first
"""The namespace with a name."""

repository = Prepared[RepositoryRow](
    lambda name: RepositoryRow.select().where(RepositoryRow.name == name), ""
).first
"""The repository with a name."""

manifest = Prepared[ManifestRow](
    lambda holder, digest: ManifestRow.select().where(
        (ManifestRow.repository == holder) & (ManifestRow.digest == digest)
    ),
    0,
    "",
).first
"""The manifest of a repository (its row's id) with a digest."""

tagged = Prepared[ManifestRow](
    lambda holder, tag: (
        ManifestRow.select()
        .join(TagRow)
        .where((TagRow.repository == holder) & (TagRow.name == tag))
    ),
    0,
    "",
).first
"""The manifest of a repository (its row's id) that a tag points to."""

tag = Prepared[TagRow](
    lambda holder, name: TagRow.select().where(
        (TagRow.repository == holder) & (TagRow.name == name)
    ),
    0,
    "",
).first
"""The tag of a repository (its row's id) with a name."""

_blob = Prepared[BlobRow](lambda digest: BlobRow.select().where(BlobRow.digest == digest), "")
blob = _blob.first
"""The blob with a digest."""

known_blob = _blob.one
"""The same where there must be one."""

held_blob = Prepared[BlobRow](
    lambda holder, digest: (
        BlobRow.select()
        .join(RepositoryBlobRow)
        .where((RepositoryBlobRow.repository == holder) & (BlobRow.digest == digest))
    ),
    0,
    "",
).first
"""The blob that a repository (its row's id) holds with a digest."""

blob_data = Prepared[BlobDataRow](
    lambda digest: BlobDataRow.select().join(BlobRow).where(BlobRow.digest == digest), ""
).first
"""The bytes that the database keeps of a blob with a digest."""

has_location = Prepared[BlobRow](
    lambda location: BlobRow.select().where(BlobRow.location == location), ""
).exists
"""Whether a blob's bytes are at a location."""

is_linked = Prepared[RepositoryBlobRow](
    lambda blob_id, namespace_id: (
        RepositoryBlobRow.select()
        .join(RepositoryRow)
        .where((RepositoryBlobRow.blob == blob_id) & (RepositoryRow.namespace == namespace_id))
    ),
    0,
    0,
).exists
"""Whether a repository of a namespace holds a blob (their rows' ids)."""

is_manifest = Prepared[ManifestRow](
    lambda blob_id, namespace_id: (
        ManifestRow.select()
        .join(RepositoryRow)
        .where((ManifestRow.blob == blob_id) & (RepositoryRow.namespace == namespace_id))
    ),
    0,
    0,
).exists
"""Whether a blob is a manifest in a repository of a namespace (their rows' ids)."""

upload = Prepared[UploadRow](
    lambda upload_id, name: (
        UploadRow.select()
        .join(RepositoryRow)
        .where(
            (UploadRow.upload_id == upload_id) & ~UploadRow.is_ending & (RepositoryRow.name == name)
        )
    ),
    "",
    "",
).first
"""The open upload with an id, to the repository with a name."""

release = Prepared[ReleaseRow](
    lambda manifest_id: ReleaseRow.select().where(ReleaseRow.manifest == manifest_id), 0
).first
"""The release whose manifest (its row's id) it is."""

review = Prepared[ReviewRow](lambda key: ReviewRow.select().where(ReviewRow.key == key), "").first
"""The review with a key."""

switch_on = Prepared[SwitchRow](
    lambda name: SwitchRow.select().where((SwitchRow.name == name) & SwitchRow.is_on), ""
).first
"""The switch with a name, if it is on."""
