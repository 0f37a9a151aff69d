import re


def bold(text):
    return re.sub(r"\*\*(.+?)\*\*", r"<b>\1</b>", text)
