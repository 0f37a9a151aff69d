"""Promotions: gates are read, the pointer is compared and swapped, the record is appended."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class Promotion:
    """A move of a channel's pointer; `record` is the digest of the record's referrer manifest."""

    record: Digest
    application: PackageName
    channel: str
    from_channel: str | None
    bundle: Digest
    previous: Digest | None
    previous_bundle: Digest | None
    evidence: tuple[Digest, ...]
    asked_by: str
    role: str
    proof: str
    at: datetime


class Promotions:
    """Moves channels."""

    def promote(
        self,
        principal: Principal,
        application: PackageName,
        channel: str,
        bundle: Digest,
        expected_previous: Digest | None,
    ) -> Promotion:
        """Point `channel` at `bundle`, if it points at the bundle `expected_previous` (None: none).

        The channel holding `bundle` already is no error: its last promotion is returned.

        Raises:
            ApplicationUnknown, ChannelUnknown, BundleUnknown: there is none.
            GateClosed: a gate refuses; every reason is named.
            PointerMoved: the channel points elsewhere.
            NotAuthenticated, NamespaceUnknown, Denied: the principal may not.
        """
        raise NotImplementedError

    def history(
        self, principal: Principal, application: PackageName, channel: str
    ) -> Sequence[Promotion]:
        """Return the channel's promotions, newest first.

        Raises:
            ApplicationUnknown, ChannelUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
