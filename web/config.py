"""What the server is told at start, read from the table of settings."""

from dataclasses import dataclass
from pathlib import Path

from registry.config import RegistryConfig
from settings.load import Settings


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything that `serve` and the application need; the reasons are in settings/table.py."""

    data: Path
    """The folder of everything that the server keeps."""

    host: str = "127.0.0.1"
    port: int = 8080
    """Where to listen; port 0 takes a free one."""

    address_file: Path | None = None
    """A file that gets the URL once the server listens."""

    public_url: str | None = None
    """The URL for links that are handed out; None: the host that was asked."""

    workers: int = 2
    """Processes that answer requests."""

    threads: int = 16
    """Requests that each process answers at once."""

    graceful_timeout: int = 120
    """Seconds that a stopping server gives to the requests in flight."""

    server_key: Path | None = None
    """An armoured secret key; None: one is made in the data folder."""

    log_format: str = "text"
    """`text` or `json`."""

    session_days: int = 30
    """Days until a browser must log in again; a revoked token ends its sessions at once."""

    json_limit: int = 2 * 1024 * 1024
    """Largest body of an API request in bytes: a lock of thousands of packages, or a key."""

    @property
    def registry(self) -> RegistryConfig:
        """What the registry is told."""
        return RegistryConfig(data=self.data, server_key=self.server_key)

    @property
    def session_secret(self) -> Path:
        """The file of the secret that signs session cookies; its owner alone may read it."""
        return self.data / "keys" / "session.secret"


def read_config(settings: Settings, data: Path) -> ServerConfig:
    """Return the configuration that the settings say; `data` is the data folder."""
    host, port = settings.address("listen")
    return ServerConfig(
        data=data,
        host=host,
        port=port,
        address_file=settings.path("address_file"),
        public_url=settings.text("public_url"),
        workers=settings.whole("workers"),
        threads=settings.whole("threads"),
        graceful_timeout=settings.whole("graceful_timeout"),
        server_key=settings.path("server_key"),
        log_format=settings.text("log_format") or "text",
    )
