from common.compat import PLATFORM

try:
    import psutil
except ImportError:  # not on the build agents
    psutil = None


def is_windows():
    return PLATFORM.startswith("win")


def memory_used():
    """Bytes, or None where psutil is not installed. Only for debugging."""
    if psutil is None:
        return None
    return psutil.Process().memory_info().rss
