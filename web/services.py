"""The composition root: every collaborator of the application, built once, never changed."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path

from registry.assembly import Registry, open_registry
from registry.clock import Clock, system_clock
from registry.private_files import keep_first
from web.config import ServerConfig
from web.leaving import Ways
from web.rates import Rates

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Services:
    """What views work with."""

    registry: Registry
    clock: Clock
    session_secret: bytes
    ways: Ways = field(default_factory=Ways)
    rates: Rates = field(default_factory=Rates)


def build_services(config: ServerConfig, clock: Clock = system_clock) -> Services:
    """Build the services of a prepared data folder. No connection is opened yet.

    Raises:
        FileNotFoundError: the data folder was never prepared (`make_session_secret`).
    """
    return Services(
        registry=open_registry(config.registry, clock=clock),
        clock=clock,
        session_secret=bytes.fromhex(config.session_secret.read_text("ascii")),
        ways=config.ways,
        rates=Rates(config.rates, clock),
    )


def make_session_secret(path: Path) -> None:
    """Make the secret that signs session cookies, if there is none; mode 600.

    Two processes may do so at once: the one that links its file first wins.
    """
    if path.exists():
        return
    keep_first(path, secrets.token_hex(_SECRET_BYTES).encode("ascii"))
