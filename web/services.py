"""The composition root: every collaborator of the application, built once, never changed."""

from dataclasses import dataclass, field

from registry.assembly import Registry, open_registry
from registry.clock import Clock, system_clock
from web.config import ServerConfig
from web.leaving import Ways
from web.rates import Rates


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
        FileNotFoundError: the data folder was never prepared.
    """
    registry = open_registry(config.registry, clock=clock)
    return Services(
        registry=registry,
        clock=clock,
        # of the key of bearer tokens: servers that share that share the browsers' sessions too
        session_secret=registry.token_key.derive("sessions"),
        ways=config.ways,
        rates=Rates(config.rates, clock),
    )
