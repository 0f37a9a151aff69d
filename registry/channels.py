"""Applications and their channels: an order of pointers to bundles."""

from dataclasses import dataclass
from datetime import datetime

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Principal


@dataclass(frozen=True, slots=True)
class Channel:
    """A channel: its place (0 is the first), its bundle and who moved it there when, if ever."""

    name: str
    position: int
    bundle: Digest | None
    promoted: datetime | None
    promoted_by: str | None


@dataclass(frozen=True, slots=True)
class Application:
    """An application and its channels, in order."""

    name: PackageName
    channels: tuple[Channel, ...]


class Channels:
    """Reads applications and channels."""

    def application(self, principal: Principal, application: PackageName) -> Application:
        """Return an application with its channels.

        Raises:
            ApplicationUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        raise NotImplementedError
