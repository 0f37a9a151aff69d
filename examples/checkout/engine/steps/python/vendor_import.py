"""Orders of our vendors. Each has a loader, and the recipe says which."""
import importlib

from engine.base.step import Step


class LoadOrders(Step):
    def run(self, context, args):
        where, name = args["loader"].split(":")
        load = getattr(importlib.import_module(where), name)
        context.set("orders", load(args["src"]))
        return 0 if context.get("orders") else 1


def sum_up(context, args):
    context.set("orders.sum", round(sum(o["price"] * o["count"] for o in context.get("orders")), 2))
    return 0
