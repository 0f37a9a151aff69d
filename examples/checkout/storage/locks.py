import os


class FileLock(object):
    def __init__(self, path):
        self.path = path

    def __enter__(self):
        self.fd = os.open(self.path, os.O_CREAT | os.O_EXCL)

    def __exit__(self, *exc):
        os.close(self.fd)
        os.unlink(self.path)
