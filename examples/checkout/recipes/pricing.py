MARGIN = {"bread": 0.4, "jam": 0.35}


def price(cost, kind):
    return round(cost * (1 + MARGIN.get(kind, 0.3)), 2)
