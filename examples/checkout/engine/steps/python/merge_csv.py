import glob
from engine.base.step import Step
from storage import open_store

class MergeCsv(Step):
    def run(self, context, args):
        rows = []
        for path in sorted(glob.glob(args["pattern"])):
            rows += open_store("csv").read(path)
        return 0 if open_store("csv").write(args["to"], rows) else 1
