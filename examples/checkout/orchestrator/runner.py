#!/usr/bin/env python
"""Runs a recipe.

    python -m orchestrator.runner --recipe orchestrator/Recipes/sales_stats.yaml

Run it from the root of the checkout. Exit code is 0 when each step returned 0 and kept
its promises (``success:``), else that of the first step that did not.
"""
import argparse
import importlib
import json
import os
import subprocess
import sys

import yaml

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
if ROOT not in sys.path:
    sys.path.insert(0, ROOT)

from common.log import get_logger, set_debug  # noqa: E402
from orchestrator.context import Context  # noqa: E402

LOG = get_logger("runner")

EXIT_USAGE = 2


class RecipeProblem(Exception):
    pass


def load_recipe(path):
    with open(path, encoding="utf-8") as fh:
        doc = yaml.safe_load(fh)
    if not isinstance(doc, dict) or not isinstance(doc.get("steps"), list):
        raise RecipeProblem("%s: no list of steps" % path)
    return doc


def recipe_name(doc, path):
    # two generations of headers
    meta = doc.get("test_meta") or doc.get("metadata") or {}
    return meta.get("test_id") or meta.get("name") or os.path.splitext(os.path.basename(path))[0]


def run_python(step, context):
    module = importlib.import_module(step["module"])
    try:
        target = getattr(module, step["function"])
    except AttributeError:
        raise RecipeProblem("%s has no %s" % (step["module"], step["function"]))
    args = step.get("args") or {}
    if isinstance(target, type):
        return target().run(context, args)
    return target(context, args)


def run_shell(step, context):
    sys.stdout.flush()
    return subprocess.call(step["command"], shell=True)


KINDS = {"python": run_python, "shell": run_shell}


def kept_promises(step, context):
    wanted = (step.get("success") or {}).get("ctx_has_keys") or []
    missing = [key for key in wanted if key not in context]
    for key in missing:
        LOG.error("step %s promised %s and did not set it", step["name"], key)
    return not missing


def run_recipe(doc, context, only=None):
    results = []
    code = 0
    for step in sorted(doc["steps"], key=lambda s: s.get("idx", 0)):
        if only and step["name"] not in only:
            continue
        kind = step.get("type", "python")
        if kind not in KINDS:
            raise RecipeProblem("step %s: unknown type %r" % (step.get("name"), kind))
        LOG.info("step %s", step["name"])
        context.who = step["name"]
        rc = int(KINDS[kind](step, context) or 0)
        if rc == 0 and not kept_promises(step, context):
            rc = 1
        results.append({"idx": step.get("idx"), "name": step["name"], "exit_code": rc})
        if rc != 0:
            LOG.error("step %s returned %s, stopping", step["name"], rc)
            code = rc
            break
    return code, results


def main(argv=None):
    parser = argparse.ArgumentParser(prog="orchestrator.runner", description="runs a recipe")
    parser.add_argument("--recipe", required=True)
    parser.add_argument("--debug", action="store_true")
    parser.add_argument("--only", default="", help="names of steps, with commas")
    parser.add_argument("--json-output", action="store_true", help="last line of stdout is JSON")
    options = parser.parse_args(argv)
    set_debug(options.debug)

    only = [name.strip() for name in options.only.split(",") if name.strip()]
    context = Context()
    try:
        doc = load_recipe(options.recipe)
        code, results = run_recipe(doc, context, only)
    except RecipeProblem as exc:
        LOG.error("%s", exc)
        return EXIT_USAGE
    if options.json_output:
        sys.stdout.flush()
        print(json.dumps({
            "recipe": recipe_name(doc, options.recipe),
            "exit_code": code,
            "steps": results,
            "context": context.to_dict(),
            "history": context.history(),
        }, sort_keys=True))
    return code


if __name__ == "__main__":
    sys.exit(main())
