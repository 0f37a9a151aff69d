from deploy.plan import plan


def rollback(old, new, key):
    return plan(new, old, key)
