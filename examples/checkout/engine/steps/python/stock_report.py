"""Report of what is low in stock, as markdown and HTML."""
import sys

from common.config import CONFIG
from common.paths import ensure_folder_for
from engine.base.step import ExecStep, StepFailed
from storage import open_store


def formatter(name):
    __import__("engine.formats." + name)
    return sys.modules["engine.formats." + name]


class FindLow(ExecStep):
    prefix = "stock."

    def execute(self, context, stock, limit=10):
        items = open_store("json").read(stock)
        low = [i for i in items if i["count"] < limit]
        low.sort(key=lambda i: (i["count"], i["sku"]))
        if not items:
            raise StepFailed("empty stock list")
        return {"items": len(items), "low": low,
                "value": round(sum(i["count"] * i["price"] for i in items), 2)}


class WriteReport(ExecStep):
    prefix = "report."

    def execute(self, context, title="Stock", formats=("md",), name="report"):
        rows = [(i["sku"], i["name"], i["count"]) for i in context.get("stock.low")]
        written = []
        for fmt in formats:
            text = formatter(fmt).render(title, ["SKU", "Name", "Left"], rows)
            path = ensure_folder_for("%s/%s.%s" % (CONFIG.get("output", "folder"), name, fmt))
            with open(path, "w", encoding="utf-8") as fh:
                fh.write(text)
            written.append({"path": path, "characters": len(text)})
        return {"written": written}
