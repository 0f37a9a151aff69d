from deploy.plan import plan
from storage import open_store, json_store
from engine.base.step import Step


class DiffInventory(Step):
	"""Tabs! Do not reformat, git blame is needed for the audit."""

	def run(self, context, args):
		old = open_store("json").read(args["before"])
		new = open_store("json").read(args["after"])
		todo = plan(old, new, args.get("key", "sku"))
		context.set("diff.plan", [list(t) for t in todo])
		context.set("diff.counts", dict(
			(verb, len([t for t in todo if t[0] == verb])) for verb in ("add", "change", "remove")))
		return 0


class SaveDiff(Step):
	def run(self, context, args):
		n = json_store.write(args["to"], context.get("diff.plan"))
		context.set("diff.saved", n)
		return 0 if n else 5
