import base64


def basic(header):
    return base64.b64decode(header.split(" ", 1)[1]).decode().split(":", 1)
