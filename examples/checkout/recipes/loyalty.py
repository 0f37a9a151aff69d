def points(order):
    return int(order["total"] // 10) * (2 if order.get("birthday") else 1)
