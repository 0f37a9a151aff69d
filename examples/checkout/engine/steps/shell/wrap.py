import subprocess


def run(context, args):
    return subprocess.call(["sh", "engine/steps/shell/" + args["script"]])
