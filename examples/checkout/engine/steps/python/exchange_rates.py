import json

try:
    import requests
except ImportError:          # not everywhere
    requests = None
from urllib.request import urlopen

from engine.base.step import Step
from storage import open_store


def download(url):
    if requests is not None:
        return requests.get(url, timeout=2).json()
    return json.load(urlopen(url, timeout=2))


class TodaysRates(Step):
    def run(self, context, args):
        try:
            rates, source = download(args["url"]), "today"
        except Exception as exc:
            self.log.warning("no rates today: %s", exc.__class__.__name__)
            rates, source = open_store("json").read(args["stale"]), "stale"
        context.set("rates.used", rates)
        context.set("rates.source", source)
        return 0


def convert(context, args):
    rates = context.get("rates.used")
    print("rates are from %s" % context.get("rates.source"))
    context.set("rates.sum", round(sum(a / rates[c] for c, a in args["amounts"].items()), 2))
    return 0
