"""What is done once before the server forks: folder, schema, keys, first token."""

from registry.assembly import Registry, open_registry
from registry.errors import NoRegistry
from storage.errors import StoreUnavailable
from web.config import ServerConfig


def prepare(config: ServerConfig) -> str | None:
    """Make the data folder ready; return the first administrator's token at the very first start.

    Raises:
        SchemaTooNew: (registry) a later version made the database.
        StoreUnavailable: (storage) the folder can't be made or written.
    """
    make_folder(config)
    made = open_registry(config.registry).prepare()
    return None if made is None else made.text


def open_prepared(config: ServerConfig, *, may_be_new: bool = False) -> Registry:
    """Return the registry of a data folder, whose schema is moved forward if it must be.

    Raises:
        NoRegistry: (registry) there is none, and it must not be new: a name was mistyped.
        SchemaTooNew, StoreUnavailable: as `prepare`.
    """
    registry = open_registry(config.registry)
    if not may_be_new and registry.database.is_new():
        raise NoRegistry(registry.database.place)
    make_folder(config)
    registry.database.migrate()
    return registry


def make_folder(config: ServerConfig) -> None:
    """Make the data folder, for its owner only, and see that it can be written.

    Raises:
        StoreUnavailable: (storage) it can't be.
    """
    probe = config.data / ".writable"
    try:
        config.data.mkdir(mode=0o700, parents=True, exist_ok=True)
        probe.touch()
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise StoreUnavailable(str(config.data), error.strerror or str(error)) from error
