"""Filters for records. One module each, with apply(records) -> records.

A new one needs no registration: put the file here and name it in the recipe.
"""


def describe(name):
    module = __import__("engine.plugins." + name, fromlist=["apply"])
    doc = (module.__doc__ or "").strip().split("\n")[0]
    return "%s: %s" % (name, doc)
