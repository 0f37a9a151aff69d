"""The composition root: every collaborator of the application, built once, never changed."""

import contextlib
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from registry.assembly import Registry, open_registry
from registry.clock import Clock, system_clock
from web.config import ServerConfig
from web.leaving import Ways

_SECRET_BYTES = 32


@dataclass(frozen=True, slots=True)
class Services:
    """What views work with."""

    registry: Registry
    clock: Clock
    session_secret: bytes
    ways: Ways = field(default_factory=Ways)


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
    )


def make_session_secret(path: Path) -> None:
    """Make the secret that signs session cookies, if there is none; mode 600.

    Two processes may do so at once: the one that links its file first wins.
    """
    if path.exists():
        return
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_hex(_SECRET_BYTES))
        file.flush()
        os.fsync(file.fileno())
    with contextlib.suppress(FileExistsError):
        path.hardlink_to(part)
    part.unlink()
