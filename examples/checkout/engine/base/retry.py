import functools
import time


def retry(times=3, wait=1.0):
    def outer(f):
        @functools.wraps(f)
        def inner(*a, **kw):
            for n in range(times):
                try:
                    return f(*a, **kw)
                except Exception:
                    if n == times - 1:
                        raise
                    time.sleep(wait)
        return inner
    return outer
