import sys

PY3 = sys.version_info[0] == 3


def pick(three, two_name):
    if PY3:
        return three
    import __builtin__
    return getattr(__builtin__, two_name)
