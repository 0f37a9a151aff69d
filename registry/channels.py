"""Applications and their channels: an order of pointers to bundles."""

from dataclasses import dataclass
from datetime import datetime

from artifacts.digest import Digest
from artifacts.reference import PackageName
from registry.access import Access, Principal, Verb
from registry.clock import moment
from registry.database import Database
from registry.errors import ApplicationUnknown
from registry.oci.repositories import Kind, Repositories
from registry.schema import ChannelRow, PromotionRow, RepositoryRow


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

    def __init__(self, database: Database, access: Access, repositories: Repositories) -> None:
        self._database = database
        self._access = access
        self._repositories = repositories

    def application(self, principal: Principal, application: PackageName) -> Application:
        """Return an application with its channels.

        Raises:
            ApplicationUnknown: there is none.
            NotAuthenticated, NamespaceUnknown: the principal may not read there.
        """
        with self._database.read():
            self._access.require(principal, Verb.PULL, application.namespace, str(application))
            row = get_application(self._repositories, application)
            return Application(application, tuple(_channel(each) for each in channel_rows(row)))


def get_application(repositories: Repositories, application: PackageName) -> RepositoryRow:
    """Return an application's row.

    Raises:
        ApplicationUnknown: there is none.
    """
    row = repositories.find(application.repository)
    if row is None or row.kind != Kind.APPLICATION:
        raise ApplicationUnknown(str(application))
    return row


def channel_rows(repository: RepositoryRow) -> list[ChannelRow]:
    """Return an application's channels, in order."""
    query = ChannelRow.select().where(ChannelRow.repository == repository)
    return list(query.order_by(ChannelRow.position))


def last_promotion(channel: ChannelRow) -> PromotionRow | None:
    """Return the last promotion of a channel, or None."""
    query = PromotionRow.select().where(PromotionRow.channel == channel)
    found: PromotionRow | None = query.order_by(PromotionRow.id.desc()).first()
    return found


def _channel(row: ChannelRow) -> Channel:
    last = last_promotion(row)
    if last is None:
        return Channel(row.name, row.position, None, None, None)
    digest = Digest.parse(last.bundle.manifest.digest)
    return Channel(row.name, row.position, digest, moment(last.at), last.asked_by)
