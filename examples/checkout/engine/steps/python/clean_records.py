# -*- coding: utf-8 -*-
import importlib

from engine import plugins
from engine.base.step import ExecStep, StepFailed
from storage import open_store
import recipes.cleaning as cleaning


class CleanRecords(ExecStep):
    prefix = "clean."

    def execute(self, context, src=None, rules="customers", filters=(), store="csv", **ignored):
        if src is None:
            raise StepFailed("no src", 2)
        records = open_store(store).read(src)
        before = len(records)
        for name in filters:
            plugin = importlib.import_module("engine.plugins." + name)
            records = plugin.apply(records)
            self.log.info("%s: %d records", name, len(records))
        good, bad = cleaning.split(records, cleaning.load_rules(rules))
        return {"records": good, "rejected": bad,
                "counts": {"read": before, "kept": len(good), "rejected": len(bad)},
                "filters": [plugins.describe(name) for name in filters]}


class WriteRecords(ExecStep):
    prefix = "written."

    def execute(self, context, key="clean.records", to="out/records.csv", store="csv"):
        records = context.get(key)
        if records is None:
            raise StepFailed("nothing under %s" % key)
        return {"path": to, "rows": open_store(store).write(to, records)}
