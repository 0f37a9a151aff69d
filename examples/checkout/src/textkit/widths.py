import unicodedata


def width_of(value):
    return sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in str(value))
