"""Referrers: the manifests that have a digest as their subject (distribution-spec 1.1)."""

import json
from dataclasses import dataclass

from artifacts.descriptor import Descriptor
from artifacts.digest import Digest
from artifacts.manifest import image_index
from artifacts.reference import RepositoryName
from registry.access import Access, Principal, Verb
from registry.database import Database
from registry.oci.contents import referrers_of
from registry.oci.repositories import Repositories
from registry.schema import ManifestRow


@dataclass(frozen=True, slots=True)
class ReferrersIndex:
    """An image index as bytes; `filtered` when the artifact type was applied."""

    data: bytes
    filtered: bool


class Referrers:
    """Lists referrers."""

    def __init__(self, database: Database, access: Access, repositories: Repositories) -> None:
        self._database = database
        self._access = access
        self._repositories = repositories

    def index(
        self,
        principal: Principal,
        repository: RepositoryName,
        subject: Digest,
        artifact_type: str | None = None,
    ) -> ReferrersIndex:
        """Return the referrers of `subject` that the principal may see; none is an empty index.

        Raises:
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, repository.namespace, repository.text)
            row = self._repositories.find(repository)
            rows = [] if row is None else referrers_of(row, str(subject))
            shows_staged = self._repositories.sees_staged(principal, repository)
            entries = [
                _descriptor(each)
                for each in rows
                if (shows_staged or not each.is_staged) and artifact_type in {None, each.kind}
            ]
        data = image_index(artifact_type=None, manifests=entries)
        return ReferrersIndex(data, artifact_type is not None)


def _descriptor(row: ManifestRow) -> Descriptor:
    return Descriptor(
        row.media_type,
        Digest.parse(row.digest),
        row.size,
        json.loads(row.annotations),
        row.kind,
    )
