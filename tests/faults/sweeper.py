"""Sweeps again and again, a line of JSON for each: `python -m tests.faults.sweeper --data DIR`."""

import dataclasses
import sys
import time

import click

from registry.errors import LeaseHeld, LeaseLost
from web.commands.common import print_json, read_settings, setting_options
from web.config import read_config
from web.preparing import open_prepared


@click.command()
@setting_options("data")
def sweep(**flags: object) -> None:
    """Sweep until stdin is closed."""
    registry = open_prepared(read_config(*read_settings(flags)))
    while True:
        try:
            print_json(dataclasses.asdict(registry.sweep.run()))
        except (LeaseHeld, LeaseLost):
            print_json({})
        time.sleep(0.5)


if __name__ == "__main__":
    sys.exit(sweep())
