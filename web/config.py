"""What the server is told at start, read from the table of settings."""

import re
from dataclasses import dataclass, field
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from registry.config import RegistryConfig
from settings.errors import InvalidSetting
from settings.load import Settings
from storage.config import BucketConfig
from web.buckets import read_bucket
from web.leaving import Ways
from web.proxies import TrustedProxies
from web.rates import REDIS_SCHEMES, RateLimits
from web.tls import TlsFiles

_ACCEL_FORM = re.compile(r"/[A-Za-z0-9_-]+/")


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything that `serve` and the application need; the reasons are in settings/table.py."""

    data: Path
    """The folder of everything that the server keeps."""

    database: str | None = field(default=None, repr=False)
    """A database of PostgreSQL, which may hold a password; None: SQLite in the data folder."""

    bucket: BucketConfig | None = None
    """The bucket of the blobs; None: they are in the data folder."""

    migration_copy: bool = True
    """Whether the database is copied before its schema is moved forward."""

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

    cache_bytes: int = 32 << 20
    """Memory for answers to pulls, in bytes, in each process."""

    graceful_timeout: int = 120
    """Seconds that a stopping server gives to the requests in flight."""

    server_key: Path | None = None
    """An armoured secret key; None: one is made in the data folder."""

    token_key: Path | None = None
    """A PEM file with the key of bearer tokens; None: one is made in the data folder."""

    rates: RateLimits = field(default_factory=RateLimits)
    """How many requests a minute are answered."""

    log_format: str = "text"
    """`text` or `json`."""

    is_read_only: bool = False
    """Whether every write is refused."""

    server: str = "gunicorn"
    """`gunicorn` or `granian`."""

    client_timeout: int = 60
    """Seconds that a client may stall, where the server can tell."""

    tls: TlsFiles | None = None
    """The files of TLS; None: plain HTTP."""

    trusted_proxies: TrustedProxies = field(default_factory=TrustedProxies)
    """Whose X-Forwarded headers are believed."""

    accel_prefix: str | None = None
    """The proxy's internal location of the store's files; None: no X-Accel-Redirect."""

    is_redirecting: bool = True
    """Whether a GET of a blob may be sent to the store itself."""

    redirect_lifetime: timedelta = timedelta(minutes=20)
    """How long a URL that the store has signed holds."""

    sweep_grace: timedelta = timedelta(days=1)
    """How long what nothing refers to is kept from its last touch."""

    sweep_every: timedelta = timedelta(hours=1)
    """How often the server sweeps by itself; none at all: never."""

    session_days: int = 30
    """Days until a browser must log in again; a revoked token ends its sessions at once."""

    json_limit: int = 2 * 1024 * 1024
    """Largest body of an API request in bytes: a lock of thousands of packages, or a key."""

    solve_deadline: int = 10
    """Seconds that a solve may take."""

    solve_rounds: int = 20_000
    """Rounds of search that a solve may take."""

    solves_at_once: int = 1
    """Solves that run in each process at once."""

    solve_bytes: int = 64 * 1024
    """Largest body of a solve's request in bytes."""

    @property
    def registry(self) -> RegistryConfig:
        """What the registry is told."""
        return RegistryConfig(
            data=self.data,
            database_url=self.database,
            bucket=self.bucket,
            is_copied=self.migration_copy,
            server_key=self.server_key,
            token_key=self.token_key,
            sweep_grace=self.sweep_grace,
            sweep_every=self.sweep_every,
            is_read_only=self.is_read_only,
            solve_deadline=self.solve_deadline,
            solve_rounds=self.solve_rounds,
            solves_at_once=self.solves_at_once,
        )

    @property
    def scheme(self) -> str:
        """What the server itself speaks."""
        return "http" if self.tls is None else "https"

    @property
    def ways(self) -> Ways:
        """How blobs may leave."""
        return Ways(
            accel_prefix=self.accel_prefix,
            files=self.data / "blobs",
            is_redirecting=self.is_redirecting,
            link_lifetime=self.redirect_lifetime,
        )


def read_config(settings: Settings, data: Path) -> ServerConfig:
    """Return the configuration that the settings say; `data` is the data folder.

    Raises:
        InvalidSetting: (settings) a value that can't be, or not together with the others.
    """
    host, port = settings.address("listen")
    trusted = TrustedProxies.parse(
        settings.text("trusted_proxies"), _origin(settings, "trusted_proxies")
    )
    return ServerConfig(
        data=data,
        database=settings.text("database"),
        bucket=read_bucket(settings),
        migration_copy=settings.switch("migration_copy"),
        host=host,
        port=port,
        address_file=settings.path("address_file"),
        public_url=settings.text("public_url"),
        workers=settings.whole("workers"),
        threads=settings.whole("threads"),
        cache_bytes=settings.whole("cache_memory") << 20,
        graceful_timeout=settings.whole("graceful_timeout"),
        server_key=settings.path("server_key"),
        token_key=settings.path("token_key"),
        rates=_read_rates(settings),
        log_format=settings.text("log_format") or "text",
        is_read_only=settings.switch("read_only"),
        server=settings.text("server") or "gunicorn",
        client_timeout=settings.whole("client_timeout"),
        tls=_read_tls(settings),
        trusted_proxies=trusted,
        accel_prefix=_read_accel(settings, trusted),
        is_redirecting=settings.switch("redirects"),
        redirect_lifetime=timedelta(seconds=settings.whole("redirect_lifetime")),
        sweep_grace=timedelta(seconds=settings.whole("sweep_grace")),
        sweep_every=timedelta(seconds=settings.whole("sweep_every")),
        solve_deadline=settings.whole("solve_deadline"),
        solve_rounds=settings.whole("solve_rounds"),
        solves_at_once=settings.whole("solves_at_once"),
        solve_bytes=settings.whole("solve_body") << 10,
    )


def _read_rates(settings: Settings) -> RateLimits:
    storage = settings.text("rate_storage")
    expected = None
    if storage is not None and not storage.startswith(REDIS_SCHEMES):
        expected = f"{' or '.join(REDIS_SCHEMES)}..."
    elif storage is not None and find_spec("redis") is None:
        expected = "the redis package beside it: pip install 'recipebox[redis]'"
    if expected is not None:
        raise InvalidSetting(
            "rate_storage", _origin(settings, "rate_storage"), "(hidden)", expected
        )
    return RateLimits(
        principal=settings.whole("rate_limit"),
        anonymous=settings.whole("rate_limit_anonymous"),
        failures=settings.whole("rate_limit_failures"),
        storage=storage,
    )


def _read_accel(settings: Settings, trusted: TrustedProxies) -> str | None:
    prefix = settings.text("accel_prefix")
    if prefix is None:
        return None
    expected = None
    if not _ACCEL_FORM.fullmatch(prefix):
        expected = "one folder, such as /_blobs/"
    elif not trusted.networks:
        expected = "trusted_proxies beside it: the address of the proxy that may send the files"
    if expected is not None:
        raise InvalidSetting("accel_prefix", _origin(settings, "accel_prefix"), prefix, expected)
    return prefix


def _read_tls(settings: Settings) -> TlsFiles | None:
    certificate = settings.path("tls_certificate")
    if certificate is None:
        for name in ("tls_key", "tls_client_ca"):
            value = settings.path(name)
            if value is not None:
                expected = "tls_certificate beside it: without one there is no TLS"
                raise InvalidSetting(name, _origin(settings, name), str(value), expected)
        return None
    key = settings.path("tls_key") or certificate
    return TlsFiles(certificate, key, settings.path("tls_client_ca"))


def _origin(settings: Settings, name: str) -> str:
    return f"the {settings.origins[name]}"
