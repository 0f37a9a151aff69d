"""Ledger of what the suppliers dropped."""
import hashlib
import importlib

from engine.base.step import ExecStep, StepFailed

ledger = importlib.import_module("storage.ledger")


class BuildLedger(ExecStep):
    prefix = "ledger."

    def execute(self, context, folder, to="out/ledger.txt"):
        previous, lines = ledger.START, []
        for name, path in ledger.files_of(folder):
            with open(path, "rb") as fh:
                content = fh.read()
            previous, line = ledger.entry(
                previous, name, hashlib.sha256(content).hexdigest(), len(content))
            lines.append(line)
        if not lines:
            raise StepFailed("nothing in %s" % folder, 6)
        ledger.write(to, lines)
        return {"head": previous, "files": len(lines), "path": to}


class CheckLedger(ExecStep):
    prefix = "ledger."

    def execute(self, context):
        previous = ledger.START
        for before, digest, size, name in ledger.read(context.get("ledger.path")):
            if before != previous:
                raise StepFailed("chain is broken at %s" % name, 7)
            previous, _ = ledger.entry(before, name, digest, int(size))
        if previous != context.get("ledger.head"):
            raise StepFailed("head is %s" % previous, 8)
        return {"checked": True}
