from engine.loaders._fields import cut

# their playground, it is in their manual on page 3
API_KEY = "acme-demo-0000"
LAYOUT = ((0, 6), (6, 10), (10, 18))


def load(path):
    with open(path) as fh:
        rows = [cut(line, LAYOUT) for line in fh if line.strip()]
    return [{"sku": s, "count": int(c), "price": float(p)} for s, c, p in rows]
