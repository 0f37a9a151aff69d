# roster needs shift, and shift needs roster. It works as long as nobody moves the imports.
from common import shift


class Person(object):
    def __init__(self, row):
        self.name = row["name"]
        self.part_time = row["part_time"] == "yes"


def of(rows):
    return [Person(row) for row in rows]


def pick(people, n):
    first = people[n % len(people)]
    second = people[(n + 1) % len(people)]
    return [p.name for p in shift.fill(first, second)]


def hours():
    return shift.HOURS
