import json
from urllib.request import urlopen

from engine.base.step import Step


class FetchRates(Step):
    def run(self, context, args):
        context.set("rates", json.load(urlopen(args["url"], timeout=10)))
        return 0
