"""The bag of values that is handed from step to step."""


class Context(object):
    """get / set / keys. Remembers who set what, because of the March incident."""

    def __init__(self, initial=None):
        self._values = {}
        self._history = []
        self.who = "runner"
        for key, value in (initial or {}).items():
            self.set(key, value, who="initial")

    def get(self, key, default=None):
        return self._values.get(key, default)

    def set(self, key, value, who=None):
        self._history.append({"key": key, "who": who or self.who})
        self._values[key] = value

    def keys(self):
        return list(self._values.keys())

    def who_set(self, key):
        """Name of the step that set the key last, None if nobody did."""
        for entry in reversed(self._history):
            if entry["key"] == key:
                return entry["who"]
        return None

    def history(self):
        return list(self._history)

    def to_dict(self):
        return dict(self._values)

    def __contains__(self, key):
        return key in self._values
