"""Referrers: the manifests that have a digest as their subject."""

from dataclasses import dataclass

from artifacts.digest import Digest
from artifacts.reference import RepositoryName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class ReferrersIndex:
    """An image index as bytes; `filtered` when the artifact type was applied."""

    data: bytes
    filtered: bool


class Referrers:
    """Lists referrers."""

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
        raise NotImplementedError
