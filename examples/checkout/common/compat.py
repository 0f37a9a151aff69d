"""Python 2 / 3. Can go when the last 2.7 box is gone (2019?)."""
import sys

try:
    import simplejson as json
except ImportError:
    import json

try:
    from common import _speedups as speedups   # built on the old agents only
except ImportError:
    speedups = None

from common.vendored.six_lite import text_type, string_types

PLATFORM = sys.platform


def to_text(value, encoding="utf-8"):
    if isinstance(value, string_types):
        return text_type(value)
    return value.decode(encoding)


def dumps(value):
    return json.dumps(value, sort_keys=True, separators=(",", ":"))
