import os

from common.platform_info import is_windows

HERE = os.path.dirname(os.path.abspath(__file__))


def beside(*parts):
    return os.path.join(HERE, *parts)


def normal(path):
    return path.replace("/", "\\") if is_windows() else path


def ensure_folder_for(path):
    folder = os.path.dirname(path)
    if folder and not os.path.isdir(folder):
        os.makedirs(folder)
    return path
