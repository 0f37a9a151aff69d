from tools.db.dump import dump


def restore(dsn, table, source):
    dump(dsn, table, source + ".before")
    raise NotImplementedError
