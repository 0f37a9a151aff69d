from collections import defaultdict


def cohorts(orders):
    first = {}
    table = defaultdict(lambda: defaultdict(int))
    for who, month in sorted(orders, key=lambda o: o[1]):
        first.setdefault(who, month)
        table[first[who]][month] += 1
    return {k: dict(v) for k, v in table.items()}
