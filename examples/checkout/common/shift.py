from common import roster

HOURS = 8


def fill(first, second):
    if first.part_time and isinstance(second, roster.Person):
        return [first, second]
    return [first]
