from engine.base.step import ExecStep, StepFailed
from storage import open_store


def number(text):
    try:
        return float(text)
    except ValueError:
        return 0.0


class RegionReport(ExecStep):
    prefix = "region."

    def execute(self, context, src, region, top, columns, title):
        rows = [r for r in open_store("csv").read(src) if r["region"] == region]
        if not rows:
            raise StepFailed("no sales in %s" % region, 2)
        rows.sort(key=lambda r: -number(r["amount"]))
        kept = [[r[c] for c in columns] for r in rows[:top]]
        print(title.strip())
        for row in kept:
            print("  " + "  ".join(row))
        return {"title": title.strip(), "rows": kept, "of": len(rows)}
