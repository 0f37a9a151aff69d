import json
import os
import re

RULES = os.path.join(os.path.dirname(__file__), "rules")


def load_rules(name):
    with open(os.path.join(RULES, name + ".json")) as f:
        return json.load(f)


def problems(record, rules):
    found = []
    for field in rules["required"]:
        if not record.get(field):
            found.append("no " + field)
    for field, pattern in sorted(rules["patterns"].items()):
        value = record.get(field)
        if value and not re.match(pattern, value):
            found.append("bad " + field)
    country = record.get("country", "")
    if country and country not in rules["countries"]:
        found.append("unknown country")
    return found


def split(records, rules):
    good, bad = [], []
    for record in records:
        found = problems(record, rules)
        if found:
            bad.append({"id": record.get("id"), "problems": found})
        else:
            record["country"] = rules["countries"].get(record["country"], "")
            good.append(record)
    return good, bad
