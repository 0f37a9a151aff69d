"""What .gitignore leaves out of a checkout: what is local to one person is nobody's input."""

import fnmatch
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Ignored:
    """The root's .gitignore, as far as it is about names: what it leaves out is nobody's input.

    `patterns` are (pattern, is it anchored at the root, does it leave out or take back in).
    """

    patterns: tuple[tuple[str, bool, bool], ...]

    @classmethod
    def of(cls, root: Path) -> "Ignored":
        """Read it (gitignore(5)); an absent one leaves out nothing."""
        path = root / ".gitignore"
        try:  # a pipe of that name would be waited for
            lines = path.read_text(errors="replace").splitlines() if path.is_file() else []
        except OSError:
            lines = []
        patterns = []
        for line in lines:
            text = line.strip()
            if not text or text.startswith("#"):
                continue
            leaves_out = not text.startswith("!")
            plain = text.removeprefix("!").rstrip("/")
            patterns.append((plain.lstrip("/"), "/" in plain, leaves_out))
        return cls(tuple(patterns))

    def holds(self, path: str) -> bool:
        """Whether a path from the root, or a folder above it, is left out."""
        parts = path.split("/")
        for length in range(1, len(parts) + 1):
            above, last = "/".join(parts[:length]), parts[length - 1]
            is_out = False
            for pattern, is_anchored, leaves_out in self.patterns:
                if fnmatch.fnmatchcase(above if is_anchored else last, pattern):
                    is_out = leaves_out
            if is_out:
                return True
        return False
