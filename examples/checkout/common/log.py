"""Our logger. Everything goes to stderr since stdout is for the steps."""
import logging
import sys

from common.log_format import LineFormat

_READY = False


def get_logger(name):
    global _READY
    root = logging.getLogger("ops")
    if not _READY:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormat())
        root.addHandler(handler)
        root.setLevel(logging.INFO)
        root.propagate = False
        _READY = True
    return root.getChild(name)


def set_debug(on):
    logging.getLogger("ops").setLevel(logging.DEBUG if on else logging.INFO)
