# small functions, no classes. added by M. when in a hurry
from common.compat import dumps


def show_keys(context, args):
    for key in args.get("keys") or sorted(context.keys()):
        print("%s = %s" % (key, dumps(context.get(key))))
    return 0


def require_range(context, args):
    """Fail when a number of the context is out of its range."""
    value = context.get(args["key"])
    for part in (args.get("path") or "").split("."):
        if part:
            value = value[part]
    low, high = args["low"], args["high"]
    if not low <= value <= high:
        print("%s is %s, wanted %s to %s" % (args["key"], value, low, high))
        return 4
    context.set("checked." + args["key"], True)
    return 0
