import globex_sdk   # licence ran out


def load(path):
    return globex_sdk.read(path)
