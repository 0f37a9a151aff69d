"""Machines that run the command line in this process, against an application without sockets."""

import io
import json
import sys
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from click import termui

from recipebox import group
from recipebox.cache import Cache
from recipebox.client import Client
from recipebox.config import Places
from recipebox.invocation import Invocation
from recipebox.output import Output
from recipebox.publishing import make_signer
from recipes.package import DeploymentConfig, Entry, PackageMetadata, PythonStep, Wheel
from recipes.wheels import tags_of
from tests.fakes import WsgiAdapter
from tests.keys import SIGNER, TestKey

URL = "http://127.0.0.1:8080"
RUN_RECIPE = Path(__file__).resolve().parents[2] / "recipes" / "templates" / "run_recipe.py"
STEP = """\
class A:
    def run(self, context, args):
        print("hello from", __name__)
        context.set("answer", args.get("answer", 42))
        return int(args.get("code", 0))
"""


class Terminal(io.StringIO):
    """A standard input at which somebody sits."""

    def isatty(self) -> bool:
        return True


@dataclass(frozen=True)
class Said:
    """What a command left: its exit code, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Machine:
    """Somebody's machine: a home, a token, and a way to the registry."""

    home: Path
    adapter: WsgiAdapter
    monkeypatch: pytest.MonkeyPatch
    capfd: pytest.CaptureFixture[str]
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def places(self) -> Places:
        return Places(self.home / "config" / "recipebox", self.home / "cache" / "recipebox")

    @property
    def cache(self) -> Cache:
        return Cache(self.places.cache)

    def client(self, **options: Any) -> Client:
        """Return a Python client of this machine."""
        given: dict[str, Any] = {
            "url": URL,
            "token": self.variables.get("RECIPEBOX_TOKEN"),
            "places": self.places,
            "adapter": self.adapter,
            "retries": 0,
            "output": Output(quiet=True, stdout=io.StringIO(), stderr=io.StringIO()),
            "signer": make_signer(SIGNER.secret, None, None),
        }
        return Client(**(given | options))

    def rb(
        self, *words: object, stdin: str = "", typed: str | None = None, code: int | None = 0
    ) -> Said:
        """Run a command line here; it must end with `code` (None: with any).

        `typed` are the lines of somebody who sits at a terminal.
        """
        with self.monkeypatch.context() as patch:
            for name, value in self.variables.items():
                patch.setenv(name, value)
            patch.setenv("HOME", str(self.home))
            patch.setenv("XDG_CONFIG_HOME", str(self.home / "config"))
            patch.setenv("XDG_CACHE_HOME", str(self.home / "cache"))
            patch.setattr("sys.stdin", io.StringIO(stdin) if typed is None else Terminal(typed))
            for prompt in ("visible_prompt_func", "hidden_prompt_func"):
                patch.setattr(termui, prompt, lambda _: sys.stdin.readline().rstrip("\n"))
            self.capfd.readouterr()
            ended = group.run([str(word) for word in words], Invocation(self.adapter))
            said = Said(ended, *self.capfd.readouterr())
        assert code is None or said.code == code, said
        return said


def a_wheel(name: str, files: Mapping[str, str], tag: str = "py3-none-any") -> tuple[str, bytes]:
    """Return the file name and bytes of a real wheel."""
    info = f"{name}-1.0.dist-info"
    contents = dict(files) | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(
        f"{path},sha256={_hash64(text.encode())},{len(text.encode())}\n"
        for path, text in contents.items()
    )
    contents[f"{info}/RECORD"] = f"{record}{info}/RECORD,,\n"
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for path, text in contents.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return f"{name}-1.0-{tag}.whl", stream.getvalue()


def _hash64(data: bytes) -> str:
    return urlsafe_b64encode(sha256(data).digest()).decode().rstrip("=")


def a_tree(
    out: Path,
    name: str = "team/etl",
    version: str = "1.0.0",
    *,
    requires: Mapping[str, str] | None = None,
    extras: Mapping[str, Mapping[str, str]] | None = None,
    wheels: Sequence[tuple[str, bytes]] = (),
    code: str = STEP,
    summary: str = "Moves numbers",
    args: Mapping[str, Any] | None = None,
) -> Path:
    """Lay a package out as `pack --out OUT` does, and return OUT."""
    metadata = PackageMetadata(
        name=name,
        version=version,
        summary=summary,
        requires=dict(requires or {}),
        extras={extra: dict(group) for extra, group in (extras or {}).items()},
        wheels=[
            Wheel(
                name=filename.partition("-")[0],
                version="1.0",
                filename=filename,
                sha256=sha256(data).hexdigest(),
                size=len(data),
                tags=tags_of(filename),
            )
            for filename, data in wheels
        ],
        entry=Entry(runner="bundled"),
        steps=[
            PythonStep(
                idx=1,
                name="a",
                type="python",
                module="steps.a",
                function="A",
                args=dict(args or {}),
            )
        ],
    )
    tree = out / metadata.title
    (tree / "recipe" / "steps").mkdir(parents=True)
    (tree / "metadata").mkdir()
    (tree / "recipe" / "run_recipe.py").write_bytes(RUN_RECIPE.read_bytes())
    (tree / "recipe" / "recipe.yaml").write_text("steps: []\n")
    (tree / "recipe" / "steps" / "a.py").write_text(code)
    (tree / "metadata" / "package.json").write_bytes(metadata.to_bytes())
    (tree / "metadata" / "deployment_config.yaml").write_bytes(DeploymentConfig().to_bytes())
    for filename, data in wheels:
        (out / "wheels").mkdir(exist_ok=True)
        (out / "wheels" / filename).write_bytes(data)
    return out


def signing(key: TestKey = SIGNER) -> dict[str, str]:
    """Return the variables with which CI signs."""
    return {"RECIPEBOX_SIGNING_KEY": key.secret}
