import os
import time

from engine.base.step import Step


class WaitForFile(Step):
    def run(self, context, args):
        end = time.time() + args.get("seconds", 60)
        while time.time() < end:
            if os.path.exists(args["path"]):
                return 0
            time.sleep(1)
        return 9
