import psycopg2


def dump(dsn, table, out):
    with psycopg2.connect(dsn) as c, c.cursor() as cur, open(out, "w") as fh:
        cur.copy_to(fh, table)
