"""Shifts. Asked for by HR each Friday, so it says how long it took."""
import datetime
import time

from common import roster
from engine.base.step import ExecStep, StepFailed
from storage import open_store

# from the root, like everything in here that was written before 2019
LEAVE = "orchestrator/Data/leave.txt"


class PlanShifts(ExecStep):
    prefix = "shifts."

    def execute(self, context, staff, days=()):
        began = time.time()
        with open(LEAVE) as fh:
            away = set(line.strip() for line in fh if line.strip() and line[0] != "#")
        people = roster.of([r for r in open_store("csv").read(staff) if r["name"] not in away])
        if not people:
            raise StepFailed("everybody is on leave", 4)
        plan = dict((day, roster.pick(people, n)) for n, day in enumerate(days))
        self.log.info("planned at %s in %.3f s", datetime.datetime.now(), time.time() - began)
        return {"plan": plan, "away": sorted(away)}


class Totals(ExecStep):
    prefix = "shifts."

    def execute(self, context):
        hours = {}
        for names in context.get("shifts.plan").values():
            for name in names:
                hours[name] = hours.get(name, 0) + roster.hours()
        return {"hours": hours}
