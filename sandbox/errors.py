"""What can go wrong with a sandbox itself; what happens inside of it is in the outcome.

::

    SandboxError
    ├── CannotStart     the command can't be run at all
    └── NotEnforced     a strict sandbox on a machine that can't do what was asked
"""

from collections.abc import Mapping


class SandboxError(Exception):
    """Base of everything that `sandbox` raises."""


class CannotStart(SandboxError):
    """A command that didn't start: `program`, `reason`."""

    def __init__(self, program: str, reason: str) -> None:
        self.program = program
        self.reason = reason
        super().__init__(f"{program} can't be started: {reason}")


class NotEnforced(SandboxError):
    """What a strict sandbox could not do here, by name, with the reasons: `missing`."""

    def __init__(self, missing: Mapping[str, str]) -> None:
        self.missing = dict(missing)
        listed = "; ".join(f"{name} ({reason})" for name, reason in sorted(self.missing.items()))
        super().__init__(f"this machine can't enforce {listed}; run without strict, or elsewhere")
