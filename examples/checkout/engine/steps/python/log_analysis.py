import os, sys, re, threading, json

HERE = os.path.dirname(os.path.abspath(__file__))
SRC = os.path.join(HERE, "..", "..", "..", "src")
if SRC not in sys.path:
    sys.path.insert(0, SRC)

from textkit.tables import render_table
from common.config import CONFIG
from ...base.step import Step

LINE = re.compile(r'^(\S+) \S+ \S+ \[([^\]]+)\] "(\S+) (\S+) [^"]*" (\d{3}) (\d+|-)$')


def parse(line):
    m = LINE.match(line)
    if not m:
        return None
    return {"host": m.group(1), "path": m.group(4), "status": m.group(5),
            "bytes": 0 if m.group(6) == "-" else int(m.group(6))}


class Shard(threading.Thread):
    def __init__(self, lines):
        threading.Thread.__init__(self)
        self.lines = lines
        self.status = {}
        self.paths = {}
        self.bytes = 0
        self.bad = 0

    def run(self):
        for line in self.lines:
            hit = parse(line)
            if hit is None:
                self.bad += 1
                continue
            self.status[hit["status"]] = self.status.get(hit["status"], 0) + 1
            self.paths[hit["path"]] = self.paths.get(hit["path"], 0) + 1
            self.bytes += hit["bytes"]


def add(into, more):
    for key in more:
        into[key] = into.get(key, 0) + more[key]


class AnalyseLog(Step):
    def run(self, context, args):
        n = CONFIG.getint("shards", "count")
        with open(args["log"]) as fh:
            lines = fh.read().splitlines()
        shards = [Shard(lines[i::n]) for i in range(n)]
        for s in shards: s.start()
        for s in shards: s.join()
        status, paths = {}, {}
        for s in shards:
            add(status, s.status)
            add(paths, s.paths)
        top = sorted(paths.items(), key=lambda item: (-item[1], item[0]))[:int(args.get("top", 5))]
        context.set("log.lines", len(lines))
        context.set("log.bad", sum(s.bad for s in shards))
        context.set("log.bytes", sum(s.bytes for s in shards))
        context.set("log.status", status)
        context.set("log.top", [list(t) for t in top])
        # for the wall display, which polls this file
        with open(os.path.join(HERE, "_last_log.json"), "w") as fh:
            json.dump({"lines": len(lines), "top": top}, fh)
        return 0


class EchoLog(Step):
    """Writes every line to stdout, a few times. Yes, really: the old ELK shipper reads it."""

    def run(self, context, args):
        written = 0
        with open(args["log"]) as fh:
            lines = fh.read().splitlines()
        for n in range(int(args.get("times", 1))):
            for line in lines:
                print("%d\t%s" % (n, line))
                written += 1
        context.set("echo.written", written)
        return 0


class LogTable(Step):
    def run(self, context, args):
        rows = [["path", "hits"]] + [[p, str(n)] for p, n in context.get("log.top")]
        table = render_table(rows)
        print(table)
        context.set("log.table", table)
        return 0
