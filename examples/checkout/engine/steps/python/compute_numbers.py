"""Statistics of a column of a CSV file."""
from engine.base.step import Step
from src.metrics import summary
from src.metrics.histogram import histogram
from storage import open_store


class ComputeNumbers(Step):
    name = "compute_numbers"

    def run(self, context, args):
        src = args["src"]
        column = args.get("column", "amount")
        rows = open_store("csv").read(src)
        values = []
        for i, row in enumerate(rows):
            try:
                values.append(float(row[column]))
            except ValueError:
                self.log.warning("%s line %d: %r is not a number", src, i + 2, row[column])
        if not values:
            self.log.error("no numbers in column %s of %s", column, src)
            return 3
        stats = summary.describe(values)
        stats["skipped"] = len(rows) - len(values)
        context.set("numbers.stats_v1", stats)
        context.set("numbers.histogram_v1", histogram(values, int(args.get("bins", 8))))
        return 0


class GroupNumbers(Step):
    name = "group_numbers"

    def run(self, context, args):
        groups = {}
        for row in open_store("csv").read(args["src"]):
            try:
                amount = float(row[args.get("column", "amount")])
            except ValueError:
                continue
            groups.setdefault(row[args["by"]], []).append(amount)
        context.set("numbers.by_" + args["by"],
                    dict((k, summary.describe(groups[k])) for k in sorted(groups)))
        return 0
