"""A chain of checksums: each line holds the hash of the line before it."""
import hashlib
import os

from common.paths import ensure_folder_for

START = "0" * 64


def entry(previous, name, digest, size):
    line = "%s %s %d %s" % (previous, digest, size, name)
    return hashlib.sha256(line.encode("utf-8")).hexdigest(), line


def files_of(folder):
    for where, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(where, name)
            yield os.path.relpath(path, folder).replace(os.sep, "/"), path


def read(path):
    with open(path) as fh:
        return [line.rstrip("\n").split(" ", 3) for line in fh]


def write(path, lines):
    with open(ensure_folder_for(path), "w") as fh:
        fh.writelines(line + "\n" for line in lines)
    return len(lines)
