from engine.base.step import ExecStep, StepFailed


class WeeklyDigest(ExecStep):
    prefix = "digest."

    def execute(self, context, title="This week", **kw):
        stats = context.get("numbers.stats_v1")
        counts = context.get("clean.counts")
        if stats is None or counts is None:
            raise StepFailed("sales and customers have to run before")
        lines = [
            title,
            "=" * len(title),
            "%d sales, %.2f in all, %.2f in the middle" % (
                stats["count"], stats["sum"], stats["median"]),
            "%d customers, %d turned away" % (counts["kept"], counts["rejected"]),
        ]
        print("\n".join(lines))
        return {"text": "\n".join(lines), "ratio": round(stats["count"] / counts["kept"], 4)}
