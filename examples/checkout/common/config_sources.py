import os

from common import paths

DEFAULTS = {
    "log": {"format": "%(levelname)-7s %(name)s: %(message)s"},
    "output": {"folder": "out"},
    "shards": {"count": "4"},
}


def sources():
    """Later ones win. local.ini is everybody's own and not checked in."""
    found = [DEFAULTS]
    profile = os.environ.get("OPS_PROFILE", "")
    if profile:
        found.append(paths.beside("profiles", profile + ".ini"))
    found.append(paths.beside("local.ini"))
    return found
