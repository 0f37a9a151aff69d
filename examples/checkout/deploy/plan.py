"""Works out what has to change. From the time when this repo did the deployments too."""


def index(items, key):
    return dict((item[key], item) for item in items)


def plan(old, new, key):
    """Lists of (verb, key, changes), sorted: remove, then change, then add."""
    before, after = index(old, key), index(new, key)
    steps = []
    for k in sorted(set(before) - set(after)):
        steps.append(("remove", k, {}))
    for k in sorted(set(before) & set(after)):
        fields = sorted(set(before[k]) | set(after[k]))
        changes = dict((f, [before[k].get(f), after[k].get(f)]) for f in fields
                       if before[k].get(f) != after[k].get(f))
        if changes:
            steps.append(("change", k, changes))
    for k in sorted(set(after) - set(before)):
        steps.append(("add", k, {}))
    return steps
