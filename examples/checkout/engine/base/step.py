from common.log import get_logger


class Step(object):
    """Old base class: override run(context, args) and return 0 when it went well."""

    name = None

    def __init__(self):
        self.log = get_logger(self.name or self.__class__.__name__)

    def run(self, context, args):
        raise NotImplementedError


class ExecStep(Step):
    """Newer one: override execute(), raise StepFailed, return a dict to put in the context."""

    prefix = ""

    def execute(self, context, **args):
        raise NotImplementedError

    def run(self, context, args):
        try:
            values = self.execute(context, **(args or {})) or {}
        except StepFailed as exc:
            self.log.error("%s", exc)
            return exc.code
        for key in sorted(values):
            context.set(self.prefix + key, values[key])
        return 0


class StepFailed(Exception):
    def __init__(self, message, code=1):
        Exception.__init__(self, message)
        self.code = code
