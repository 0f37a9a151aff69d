"""The closure: what the steps need is in, with why; what they don't is not; what lacks is named."""

import os
import sys
from pathlib import Path

import pytest

from recipes.closure import Closure, find_closure, find_root, find_runners
from recipes.errors import InvalidModule, InvalidProject, MissingModules, UnsafePath
from recipes.modules import Checkout, read_source
from recipes.project import Project, RecipeSettings, find_project
from recipes.recipe import read_recipe
from recipes.stdlib import MINORS, STDLIB, is_standard
from tests.checkouts import a_recipe, with_a_runner, write


def closure_of(root: Path, recipe: str, files: dict[str, str], **project: object) -> Closure:
    write(root, {**files, "etl.yaml": recipe})
    return find_closure(
        read_recipe(root / "etl.yaml"),
        Project(**project),  # type: ignore[arg-type]
        root,
    )


def files_of(root: Path, files: dict[str, str], **project: object) -> list[str]:
    """The files of the closure of one step, `steps.a`."""
    return list(closure_of(root, a_recipe("steps.a"), files, **project).files)


def code(text: str) -> dict[str, str]:
    return {"steps/a.py": f"{text}\ndef run(context, args): return 0\n"}


class TestImports:
    def test_they_are_followed_at_every_depth_with_their_packages(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            {
                "steps/__init__.py": "",
                "steps/a.py": "def run(c, a):\n    import lib.deep.one\n",
                "lib/__init__.py": "from . import shared\n",
                "lib/shared.py": "from .deep.two import *\n",
                "lib/deep/one.py": "from ..shared import x\nfrom . import two\n",
                "lib/deep/two.py": "import json\n",
                "lib/unused.py": "import nowhere_at_all\n",
            },
        )

        assert sorted(closure.files) == [
            "lib/__init__.py", "lib/deep/one.py", "lib/deep/two.py", "lib/shared.py",
            "steps/__init__.py", "steps/a.py",
        ]  # fmt: skip
        assert closure.files["lib/deep/one.py"][0].asked_by == "steps/a.py:2"
        assert closure.files["steps/a.py"][0].asked_by == "step 1 'step_1' (etl.yaml:2)"

    def test_a_module_that_loads_its_own_when_asked_has_what_it_names(self, tmp_path: Path) -> None:
        lazy = (
            "import importlib\n__all__ = ['one', 'two']\n"
            "def __getattr__(name):\n    if name in __all__:\n"
            "        return importlib.import_module('.' + name, __name__)\n"
            "    raise AttributeError(name)\n"
        )

        found = files_of(
            tmp_path,
            {
                **code("import lib"),
                "lib/__init__.py": lazy,
                "lib/one.py": "",
                "lib/two.py": "",
                "lib/test/__init__.py": "import nowhere_at_all\n",
            },
        )

        assert found == ["lib/__init__.py", "lib/one.py", "lib/two.py", "steps/a.py"]

    @pytest.mark.parametrize(
        ("test", "taken"),
        [
            ("NEW", "later"),  # bound by a test of the version, in this module
            ("not NEW", "earlier"),
            ("NEW and is_py3", "later"),
            ("is_py3", "later"),  # bound so where it is imported from
            ("not compat.is_py2", "later"),
            ("compat.is_py2 or UNKNOWN", "both"),
            ("PY_TWICE", "both"),
            ("is_py_nowhere3", "both"),
            ("sys.platform == 'linux'", "later"),  # all packages are for Linux
            ("sys.platform.startswith(('win', 'cygwin'))", "earlier"),
            ("sys.platform[:3] == 'win' or __import__('os').name == 'nt'", "both"),
            ("os.name != 'nt' and platform.system() in {'Linux', 'Darwin'}", "both"),
            ("os.name != 'nt' and platform.system() in ('Linux', 'Darwin')", "later"),
            ("sys.platform[:4] not in 'java'", "later"),
            ("sys.platform.startswith(UNKNOWN)", "both"),
        ],
    )
    def test_a_flag_of_the_version_is_what_it_is_bound_to(
        self, tmp_path: Path, test: str, taken: str
    ) -> None:
        found = files_of(
            tmp_path,
            {
                **code(
                    "import os, platform, sys\nfrom lib import compat\n"
                    "from lib.compat import PY_TWICE, is_py3\n"
                    "NEW = sys.version_info[:2] >= (3, 11)\n"
                    f"if {test}:\n    import lib.later\nelse:\n    import lib.earlier\n"
                ),
                "lib/compat.py": "import sys\nis_py3 = sys.version_info[0] > 2\n"
                "is_py2 = not is_py3 and sys.version_info[0] == 2\n"
                "PY_TWICE = True\nif sys.argv:\n    PY_TWICE = False\n",
                "lib/later.py": "",
                "lib/earlier.py": "",
            },
            python="==3.11.*",
        )

        names = {each.removeprefix("lib/").removesuffix(".py") for each in found}
        both = {"later", "earlier"}
        assert names & both == (both if taken == "both" else {taken})

    def test_an_argument_that_no_file_can_be_called_is_none(self, tmp_path: Path) -> None:
        folder = tmp_path / "orchestrator" / "Recipes"
        text = "x" * 300 + "/y"
        recipe = f"steps: [{{idx: 1, name: a, type: shell, command: ls, args: {{a: {text}}}}}]"
        write(folder, {"etl.yaml": recipe})

        assert find_root(read_recipe(folder / "etl.yaml"), Project()).is_dir()

    def test_a_script_finds_what_is_beside_it(self, tmp_path: Path) -> None:
        recipe = "steps: [{idx: 1, name: a, type: shell, command: 'python3 tools/gen.py 2'}]"
        closure = closure_of(
            tmp_path,
            recipe,
            {
                "tools/gen.py": "import genlib.core\n",
                "tools/genlib/__init__.py": "",
                "tools/genlib/core.py": "import json\n",
                "tools/other.py": "",
            },
        )

        assert sorted(closure.files) == [
            "tools/gen.py", "tools/genlib/__init__.py", "tools/genlib/core.py"
        ]  # fmt: skip
        assert closure.imports == {}

    def test_code_that_is_nested_deeply_is_read_to_the_end(self, tmp_path: Path) -> None:
        total = " + ".join(f"x{number}" for number in range(1_500))
        nested = "TABLE = " + "[" * 80 + "]" * 80
        inner = f"def f():\n    {nested}\n    return {total} + __import__('lib.one').one\n"

        found = files_of(tmp_path, {**code(inner), "lib/one.py": ""})

        assert found == ["lib/one.py", "steps/a.py"]

    def test_a_package_is_never_what_only_holds_data(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path, a_recipe("steps.a"), {**code("import yaml"), "yaml/one.yaml": "a: 1"}
        )

        assert closure.imports == {"yaml": ("steps/a.py:1",)}

    def test_src_is_a_root_and_a_package(self, tmp_path: Path) -> None:
        assert files_of(
            tmp_path,
            {
                **code("import src.one\nimport two.three"),
                "src/one.py": "",
                "src/two/three.py": "",
            },
        ) == ["src/one.py", "src/two/three.py", "steps/a.py"]

    def test_the_root_comes_before_the_standard_library_and_that_before_src(
        self, tmp_path: Path
    ) -> None:
        assert files_of(
            tmp_path,
            {**code("import queue, csv"), "queue.py": "", "src/csv.py": "", "csv/x.py": ""},
        ) == ["queue.py", "steps/a.py"]

    def test_the_members_of_all_are_taken(self, tmp_path: Path) -> None:
        assert "pkg/one.py" in files_of(
            tmp_path,
            {
                **code("from pkg import *"),
                "pkg/__init__.py": "__all__ = ['one', 'name']\nname = 1\n",
                "pkg/one.py": "",
            },
        )

    def test_star_of_a_module_or_namespace_is_only_itself(self, tmp_path: Path) -> None:
        found = files_of(
            tmp_path, {**code("from ns.one import *\nfrom ns import *"), "ns/one.py": ""}
        )

        assert found == ["ns/one.py", "steps/a.py"]

    def test_what_never_runs_is_not_followed(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            code(
                """\
import sys, six
from typing import TYPE_CHECKING
if TYPE_CHECKING:
    import gone
if sys.version_info[0] == 2:
    import gone
if sys.version_info < (3, 0):
    import gone
if not six.PY3 or six.PY2:
    pass
if not six.PY3:
    import gone
if sys.version_info >= (3, 8):
    import json
else:
    import gone
if sys.version_info[1] > 3 or sys.version_info > 3:
    pass
if sys.version_info >= wanted:
    pass
if sys.version_info[0] == two:
    pass
if __name__ == '__main__':
    import gone
import __builtin__, urllib2
"""
            ),
        )

        assert list(closure.imports) == ["six"]
        assert len([each for each in closure.warnings if "Python 2" in each]) == 2

    def test_where_pythons_differ_both_branches_count(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            code("import sys\nif sys.version_info >= (3, 12):\n  import one\nelse:\n  import two"),
        )

        assert list(closure.imports) == ["one", "two"]

    @pytest.mark.parametrize(
        "text",
        [
            "try:\n    import gone\nexcept ImportError:\n    gone = None",
            "try:\n    import gone\nexcept (ValueError, ModuleNotFoundError):\n    gone = None",
            "try:\n    import gone\nexcept:\n    import gone2",
            "try:\n    import gone\nexcept* ImportError:\n    pass",
            "import contextlib\nwith contextlib.suppress(ImportError):\n    import gone",
        ],
    )
    def test_what_is_tried_is_optional(self, tmp_path: Path, text: str) -> None:
        closure = closure_of(tmp_path, a_recipe("steps.a"), code(text))

        assert closure.imports == {}
        assert "gone" in closure.optional_imports

    @pytest.mark.parametrize(
        "text",
        [
            "try:\n    import gone\nexcept ImportError:\n    raise SystemExit('install gone')",
            "import sys\ntry:\n    import gone\nexcept ImportError:\n    sys.exit(3)",
            "try:\n    import gone\nexcept KeyError:\n    pass",
            "try:\n    pass\nfinally:\n    import gone",
            "with open('x') as f:\n    import gone",
        ],
    )
    def test_what_is_tried_and_then_given_up_is_needed(self, tmp_path: Path, text: str) -> None:
        assert "gone" in closure_of(tmp_path, a_recipe("steps.a"), code(text)).imports

    def test_an_optional_module_of_the_checkout_is_packed_where_it_is_there(
        self, tmp_path: Path
    ) -> None:
        text = "try:\n    from lib import fast\nexcept ImportError:\n    from lib import slow\n"
        closure = closure_of(
            tmp_path, a_recipe("steps.a"), {**code(text), "lib/__init__.py": "", "lib/slow.py": ""}
        )

        assert list(closure.files) == ["lib/__init__.py", "lib/slow.py", "steps/a.py"]
        assert any("lib.fast only where it is there" in each for each in closure.warnings)


class TestNames:
    @pytest.mark.parametrize(
        ("text", "found"),
        [
            ("import importlib\nimportlib.import_module('lib.one')", ["lib/one.py"]),
            ("from importlib import import_module as get\nget(name='lib.one')", ["lib/one.py"]),
            ("__import__('lib.' + 'one')", ["lib/one.py"]),
            ("N = 'one'\n__import__(f'lib.{N}')", ["lib/one.py"]),
            ("def f():\n  n = 'lib.one'\n  __import__(n)", ["lib/one.py"]),
            ("async def f():\n  n = 'lib.one'\n  __import__(n)", ["lib/one.py"]),
            ("for n in ('one', 'two'):\n  __import__('lib.' + n)", ["lib/one.py", "lib/two.py"]),
            ("[__import__('lib.' + n) for n in sorted(['one', 'two'])]",
             ["lib/one.py", "lib/two.py"]),
            (("R = {'a': 'lib.one:f', 'b': 'lib.two:g'}\ndef f(k):\n"
             "  m, _ = R[k].split(':')\n  __import__(m)"), ["lib/one.py", "lib/two.py"]),
            ("R = {'a': 'lib.one', 'b': 'lib.two'}\n__import__(R['a'])", ["lib/one.py"]),
            ("R = {'a': 'lib.one'}\ndef f(k):\n  __import__(R.get(k, 'lib.two'))",
             ["lib/one.py", "lib/two.py"]),
            ("R = ['lib.one', 'lib.two']\n__import__(R[-1])", ["lib/two.py"]),
            ("__import__('lib', fromlist=['one'])", ["lib/one.py"]),
            ("import importlib\nimportlib.import_module('.one', 'lib')", ["lib/one.py"]),
            ("import importlib\nimportlib.import_module('.one', package='lib')",
             ["lib/one.py"]),
            ("__import__('lib.one' if x else 'lib.two')", ["lib/one.py", "lib/two.py"]),
            ("__import__(x or 'lib.two')", ["lib/two.py"]),
            ("import importlib\nif (n := 'lib.one'):\n  importlib.import_module(n)",
             ["lib/one.py"]),
        ],
    )  # fmt: skip
    def test_that_can_be_computed_are_followed(
        self, tmp_path: Path, text: str, found: list[str]
    ) -> None:
        files = {**code(text), "lib/one.py": "", "lib/two.py": "", "lib/three.py": ""}

        assert files_of(tmp_path, files) == [*found, "steps/a.py"]

    @pytest.mark.parametrize(
        "text",
        [
            "def f(n):\n  __import__('lib.x_' + n)",
            "def f(n):\n  __import__(f'lib.x_{n}')",
            "def f(n):\n  __import__('lib.x_{}'.format(n))",
            "def f(n):\n  __import__('lib.x_%s' % n)",
            "def f(*n, **k):\n  __import__('lib.x_' + n)",
            "n = 'a'\nn += 'b'\n__import__('lib.x_' + n)",
            "for n in found():\n  __import__('lib.x_' + n)",
        ],
    )
    def test_of_which_the_beginning_is_known_take_all_that_begin_so(
        self, tmp_path: Path, text: str
    ) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            {
                **code(text),
                "lib/x_one.py": "import lib.y\n",
                "lib/x_two/__init__.py": "",
                "lib/x_two/deep.py": "",
                "lib/x_old.py": "print 'python 2'\n",
                "lib/y.py": "",
                "lib/z.py": "",
            },
        )

        assert list(closure.files) == [
            "lib/x_old.py", "lib/x_one.py", "lib/x_two/__init__.py", "lib/x_two/deep.py",
            "lib/y.py", "steps/a.py",
        ]  # fmt: skip
        said = "\n".join(closure.warnings)
        assert "begins with 'lib.x_': all 4 modules" in said
        assert "lib/x_old.py:1: not Python 3" in said

    def test_that_begin_at_the_top_are_taken_too(self, tmp_path: Path) -> None:
        files = {**code("def f(n):\n  __import__('job_' + n)"), "job_a.py": "", "other.py": ""}

        assert files_of(tmp_path, files) == ["job_a.py", "steps/a.py"]

    def test_of_a_package_that_is_elsewhere_need_its_distribution(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path, a_recipe("steps.a"), code("def f(n):\n  __import__('pygments.x.' + n)")
        )

        assert list(closure.imports) == ["pygments.x"]

    def test_of_a_package_that_is_missing_are_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModules, match=r"lib\.gone"):
            closure_of(
                tmp_path,
                a_recipe("steps.a"),
                {**code("def f(n):\n  __import__('lib.gone.' + n)"), "lib/one.py": ""},
            )

    @pytest.mark.parametrize(
        "text",
        [
            "import importlib\ndef f(n):\n  importlib.import_module(n)",
            "import importlib\nimportlib.import_module(f'{n:>3}.x')",
            "import importlib\nimportlib.import_module('a:b'.split(n)[0])",
            "import importlib\nimportlib.import_module('a:b'.split(':')[7])",
            "import importlib\nimportlib.import_module(R['a'])",
            "import importlib\nR = R2 = {**x}\nR = 1\nimportlib.import_module(R['a'])",
            "import importlib\nimportlib.import_module(x()[0])",
            "import importlib\nimportlib.import_module(','.join(x))",
            "import importlib\nimportlib.import_module(-1)",
            (
                "import importlib\nimportlib.import_module('..x', package=n)\n"
                "def f(n): importlib.import_module(n.lower())"
            ),
            "import importlib\na = b\nb = a\nimportlib.import_module(a)",
            "import importlib\nimportlib.import_module('....x')",
        ],
    )
    def test_that_can_not_be_computed_are_said(self, tmp_path: Path, text: str) -> None:
        closure = closure_of(tmp_path, a_recipe("steps.a"), {**code(text), "x.py": ""})

        assert any("can't be computed" in each for each in closure.warnings)

    @pytest.mark.parametrize("text", ["step['module']", "step.module", "step.get('module', '')"])
    def test_that_are_a_steps_own_module_need_no_word(self, tmp_path: Path, text: str) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            code(f"import importlib\ndef f(step): importlib.import_module({text})"),
        )

        assert closure.warnings == ()

    @pytest.mark.parametrize(
        "table",
        [
            "STEPS = {'x': {'module': 'lib.x', 'function': 'f'}}",
            "STEPS: list = ['lib.x:f', 'lib.gone', 'json.decoder', 'no module']",
            "class Registry:\n    known = ('lib.x.f',)\n",
        ],
    )
    def test_from_a_table_are_packed_where_some_name_is_free(
        self, tmp_path: Path, table: str
    ) -> None:
        files = {
            "steps/a.py": "import importlib, steps.table\n"
            "def run(c, a): importlib.import_module(c['module'])\n",
            "steps/table.py": table,
            "lib/__init__.py": "",
            "lib/x.py": "import lib.y",
            "lib/y.py": "",
            "lib/z.py": "",
        }

        closure = closure_of(tmp_path, a_recipe("steps.a"), files)

        assert [each for each in closure.files if each.startswith("lib")] == [
            "lib/__init__.py", "lib/x.py", "lib/y.py",
        ]  # fmt: skip
        assert str(closure.files["lib/x.py"][0]) == (
            "module: a table in steps/table.py, imported by name at steps/a.py:2"
        )
        assert any("all 1 modules that steps/table.py names" in each for each in closure.warnings)

    def test_from_a_table_of_beginnings_are_packed_too(self, tmp_path: Path) -> None:
        text = "class C:\n  places = ('lib.', 'a.', '')\n  def f(s, n):\n    for p in s.places:"
        files = {**code(f"{text}\n      __import__(p + n)"), "lib/x.py": "", "lib/y/z.py": ""}

        assert files_of(tmp_path, files) == ["lib/x.py", "lib/y/z.py", "steps/a.py"]

    def test_tables_are_left_alone_where_every_name_is_known(self, tmp_path: Path) -> None:
        files = {**code("T = ['lib.x']\nimport lib.y"), "lib/x.py": "", "lib/y.py": ""}

        assert files_of(tmp_path, files) == ["lib/y.py", "steps/a.py"]

    def test_calls_of_others_are_not_imports(self, tmp_path: Path) -> None:
        files = code("def import_module(n): pass\nimport_module('gone')\nx = (lambda: 1)()")

        assert files_of(tmp_path, files) == ["steps/a.py"]

    @pytest.mark.parametrize(
        "text",
        [
            "import importlib\nload = importlib.import_module\nload('lib.one')",
            "get = __import__\nget('lib.one')",
            "import builtins\nbuiltins.__import__('lib.one')",
            "import importlib\ndef f(load=importlib.import_module): load('lib.one')",
            (
                "import importlib\nclass C:\n  def __init__(self):\n"
                "    self.load = importlib.import_module\n    self.load('lib.one')"
            ),
            "def f(): __import__('lib.' + N)\nN = 'one'",
            "class C:\n  N = 'one'\n  __import__('lib.' + N)",
            "__import__('lib', None, None, ['one'])",
            "__import__('one', {'__package__': 'lib'}, None, [], 0)\nimport lib.one",
            "T = {'k': 'one'}\nfor k, n in T.items(): __import__('lib.' + n)",
            "for n in {'k': 'one'}.values(): __import__('lib.' + n)",
            "for k, n in enumerate(['one']): __import__('lib.' + n)",
            "L = ['one']\nfor n in L + []: __import__('lib.' + n)",
            "list(map(lambda n: __import__('lib.' + n), ['one']))",
            "list(map(__import__, ('lib.one',)))",
        ],
    )
    def test_by_other_names_and_in_other_loops_are_followed(
        self, tmp_path: Path, text: str
    ) -> None:
        files = {**code(text), "lib/one.py": "", "lib/two.py": "", "one.py": ""}

        found = files_of(tmp_path, files)

        assert [each for each in found if each.startswith("lib")] == ["lib/one.py"]

    @pytest.mark.parametrize(
        "text",
        [
            "for n in {**x}.values(): __import__('lib.' + n)",
            "for k, n in {**x}.items(): __import__('lib.' + n)",
            "for n in [*x]: __import__('lib.' + n)",
            "for n in x + ['a']: __import__('lib.' + n)",
            "for a, n in pkgutil.walk(): __import__('lib.' + n)",
            "import pkgutil\nfor _, n, _ in pkgutil.iter_modules(p, 'lib.'): __import__(n)",
            "import pkgutil\nfor m in pkgutil.walk_packages(p, prefix='lib.'): __import__(m.name)",
        ],
    )
    def test_that_only_a_run_tells_take_all_that_begin_so(self, tmp_path: Path, text: str) -> None:
        files = {**code(text), "lib/one.py": "", "lib/two-2.py": ""}

        assert files_of(tmp_path, files) == ["lib/one.py", "lib/two-2.py", "steps/a.py"]

    @pytest.mark.parametrize(
        "text",
        [
            "try:\n  __import__('lib.' + n)\nexcept ImportError:\n  pass",
            (
                "import contextlib, importlib\nwith contextlib.suppress(ImportError):\n"
                "  importlib.import_module(f'lib.{n}')"
            ),
        ],
    )
    def test_that_are_tried_ask_for_nothing_that_only_they_need(
        self, tmp_path: Path, text: str
    ) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            {
                **code(f"import both\n{text}"),
                "lib/one.py": "import redis, lib.helper, lib.gone",
                "lib/both_too.py": "import both",
                "lib/helper.py": "import kafka",
                "both.py": "import yaml",
            },
        )

        assert list(closure.imports) == ["yaml"]
        assert list(closure.optional_imports) == ["kafka", "redis"]
        assert "lib/helper.py" in closure.files
        assert any("lib/one.py:1 imports lib.gone" in each for each in closure.warnings)
        assert any("what only it needs is optional" in each for each in closure.warnings)

    @pytest.mark.parametrize(
        "text",
        [
            "__import__('lib.' + n)",
            "try:\n  __import__(R.get(k, k))\nexcept ImportError:\n  raise KeyError(k)",
            "__import__(n)",
        ],
    )
    def test_that_are_guesses_ask_for_wheels_that_are_known(
        self, tmp_path: Path, text: str
    ) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            {**code(f"R = {{'a': 'lib.one', 'b': 'lib.two'}}\n{text}"), "lib/two.py": "",
             "lib/one.py": "import numpy, unheard_of_sdk, lib.gone"},
        )  # fmt: skip

        assert list(closure.imports) == ["numpy"]
        assert list(closure.optional_imports) == ["unheard_of_sdk"]
        assert any("it is not sure that lib/one.py" in each for each in closure.warnings)

    def test_of_a_package_elsewhere_that_are_tried_are_optional(self, tmp_path: Path) -> None:
        text = "try:\n  __import__('docutils.parsers.' + n)\nexcept ImportError:\n  pass"
        closure = closure_of(tmp_path, a_recipe("steps.a"), code(text))

        assert closure.imports == {}
        assert list(closure.optional_imports) == ["docutils.parsers"]


class TestPythons:
    def imports_of(self, root: Path, text: str, python: str) -> list[str]:
        return list(closure_of(root, a_recipe("steps.a"), code(text), python=python).imports)

    @pytest.mark.parametrize(
        ("python", "found"),
        [
            (">=3.11", ["one", "two"]),
            (">=3.12", ["one"]),
            ("==3.12.*", ["one"]),
            (">=3.11,<3.12", ["two"]),
            ("<3.9", ["one", "two"]),
        ],
    )
    @pytest.mark.parametrize(
        "test",
        [
            "sys.version_info >= (3, 12)",
            "sys.version_info[:2] > (3, 11)",
            "sys.version_info[1] > 11",
            "sys.version_info.minor not in (11,) if False else sys.version_info.minor >= 12",
            "sys.hexversion >= 0x030C0000",
            "(3, 12, 0) <= sys.version_info < (4,)",
            "not sys.version_info < (3, 12)",
        ],
    )
    def test_a_branch_counts_where_one_of_the_range_takes_it(
        self, tmp_path: Path, test: str, python: str, found: list[str]
    ) -> None:
        if " if False else " in test:
            test = test.rpartition(" else ")[2]
        text = f"import sys\nif {test}:\n  import one\nelse:\n  import two"

        assert self.imports_of(tmp_path, text, python) == found

    def test_branches_in_branches_are_of_fewer(self, tmp_path: Path) -> None:
        text = (
            "import sys\nif sys.version_info >= (3, 12):\n  if sys.version_info < (3, 12):\n"
            "    import never\n  else:\n    import one\n"
            "elif sys.version_info >= (3, 11, 4) and sys.version_info >= (3, 12):\n  import never\n"
            "elif sys.version_info >= (3, 11, 4):\n  import two\nelse:\n  import three"
        )

        assert self.imports_of(tmp_path, text, ">=3.11") == ["one", "three", "two"]

    @pytest.mark.parametrize(
        "test",
        [
            "sys.version_info >= wanted", "sys.version_info > 3", "sys.version_info is (3, 12)",
            "sys.version_info[one] > 3", "sys.version_info[9] > 3", "sys.version_info[::2] > (3,)",
            "sys.version_info[:one] > (3,)", "other.minor > 3", "x[1] > 3", "-sys.hexversion",
        ],
    )  # fmt: skip
    def test_what_can_not_be_said_counts_both_ways(self, tmp_path: Path, test: str) -> None:
        text = f"import sys\nif {test}:\n  import one\nelse:\n  import two"

        assert self.imports_of(tmp_path, text, ">=3.11") == ["one", "two"]

    @pytest.mark.parametrize(
        ("python", "imports", "said"),
        [
            (">=3.11", [], "cgi, which Python 3.13, 3.14 has not"),
            (">=3.11,<3.13", [], ""),
            (">=3.13", ["cgi"], ""),
        ],
    )
    def test_what_the_standard_library_lost_is_said_and_then_wanted(
        self, tmp_path: Path, python: str, imports: list[str], said: str
    ) -> None:
        closure = closure_of(tmp_path, a_recipe("steps.a"), code("import cgi"), python=python)

        assert list(closure.imports) == imports
        assert said in "".join(closure.warnings)
        assert bool(closure.warnings) is bool(said)

    def test_what_it_lost_comes_from_where_the_author_says(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path, a_recipe("steps.a"), code("import cgi"), wheels={"cgi": "legacy-cgi"}
        )

        assert list(closure.imports) == ["cgi"]
        assert closure.warnings == ()

    @pytest.mark.parametrize(
        "text",
        [
            "import sys\nif sys.version_info < (3, 13): import cgi",
            "try:\n  import cgi\nexcept ImportError:\n  cgi = None",
            "import sys\nsys.version_info >= (3, 14) and __import__('annotationlib')",
        ],
    )
    def test_where_only_those_import_it_that_have_it_all_is_well(
        self, tmp_path: Path, text: str
    ) -> None:
        closure = closure_of(tmp_path, a_recipe("steps.a"), code(text))

        assert (closure.imports, closure.warnings) == ({}, ())

    def test_in_src_it_is_found_by_those_that_have_it_not(self, tmp_path: Path) -> None:
        files = {**code("import chunk, csv"), "src/chunk.py": "", "src/csv.py": ""}

        assert files_of(tmp_path, files) == ["src/chunk.py", "steps/a.py"]
        assert files_of(tmp_path, files, python="<3.13") == ["steps/a.py"]

    def test_a_module_is_dated_as_this_python_has_it(self) -> None:
        minor = sys.version_info.minor
        public = {each for each in STDLIB if not each.startswith("_")}

        dated = {each for each in public if is_standard(each, minor)}

        assert dated == {each for each in sys.stdlib_module_names if not each.startswith("_")}

    @pytest.mark.parametrize(
        ("name", "minors"),
        [
            ("tomllib", (11, 12, 13, 14)), ("imp", (11,)), ("distutils", (11,)),
            ("telnetlib", (11, 12)), ("annotationlib", (14,)), ("yaml", ()),
        ],
    )  # fmt: skip
    def test_each_minor_has_its_own(self, name: str, minors: tuple[int, ...]) -> None:
        assert tuple(each for each in MINORS if is_standard(name, each)) == minors


class TestInstalled:
    def egg_info(self, folder: str, name: str = "own-dist") -> dict[str, str]:
        return {
            f"{folder}/PKG-INFO": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
            f"{folder}/entry_points.txt": "",
            f"{folder}/SOURCES.txt": "",
        }

    @pytest.mark.parametrize(
        "text",
        [
            "import importlib.metadata\nx = importlib.metadata.version('own-dist')",
            "from importlib import metadata\nx = metadata.version('Own.Dist')",
            "from importlib.metadata import version as v\nN = 'own_dist'\nx = v(N)",
            "import importlib_metadata as m\nx = m.distribution('own-dist').version",
            "import pkg_resources\nx = pkg_resources.get_distribution('own-dist').version",
        ],
    )
    @pytest.mark.parametrize("folder", ["src/own.egg-info", "own_dist.egg-info"])
    def test_what_is_written_down_of_the_checkout_itself_is_in(
        self, tmp_path: Path, text: str, folder: str
    ) -> None:
        files = {**code(text), **self.egg_info(folder), **self.egg_info("o.egg-info", "other")}
        files |= {".gitignore": "*.egg-info\n", "src/x.py": ""}

        closure = closure_of(tmp_path, a_recipe("steps.a"), files)

        found = [each for each in closure.files if "-info" in each]
        assert found == [f"{folder}/PKG-INFO", f"{folder}/entry_points.txt"]
        assert closure.warnings == ()

    def test_it_may_be_a_file_or_a_wheels(self, tmp_path: Path) -> None:
        text = "from importlib.metadata import version\nx = version('a'), version('b')"
        found = files_of(
            tmp_path,
            {**code(text), "a.egg-info": "Name: a\n", "b-1.dist-info/METADATA": "Name: b\n"},
        )

        assert found == ["a.egg-info", "b-1.dist-info/METADATA", "steps/a.py"]

    @pytest.mark.parametrize(
        ("name", "text"),
        [
            ("pyproject.toml", "[project]\nname = 'Own_Dist'\n"),
            ("setup.cfg", "[metadata]\nname = own-dist\n"),
            ("setup.py", "from setuptools import setup\nsetup(\n    name='own-dist',\n)\n"),
        ],
    )
    def test_where_nothing_is_written_down_of_it_that_is_said(
        self, tmp_path: Path, name: str, text: str
    ) -> None:
        asking = "from importlib.metadata import version\nx = version('own-dist'), version('numpy')"
        closure = closure_of(tmp_path, a_recipe("steps.a"), {**code(asking), name: text})

        assert len(closure.warnings) == 1
        assert "steps/a.py:2 asks what is installed as 'own-dist'" in closure.warnings[0]

    @pytest.mark.parametrize(
        "text",
        [
            "from importlib.metadata import version\ndef f(n): return version(n)",
            "import pkg_resources\nx = other.version('own-dist')",
            "from importlib.metadata import version\nx = version('elsewhere')",
        ],
    )
    def test_of_others_nothing_is(self, tmp_path: Path, text: str) -> None:
        files = {**code(text), **self.egg_info("o.egg-info"), "pyproject.toml": "[tool.x]\na=1\n"}

        assert "o.egg-info/PKG-INFO" not in files_of(tmp_path, files)


class TestMissing:
    def test_all_are_named_with_all_who_ask(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModules) as refused:
            closure_of(
                tmp_path,
                a_recipe("steps.a", "steps.gone", "nowhere.b"),
                {
                    "steps/a.py": "import steps.lost\nfrom steps import lost, a\nfrom .... import x"
                    "\ndef run(c, a): pass\n"
                },
            )

        said = str(refused.value)
        assert "steps.gone, asked for by step 2 'step_2' (etl.yaml:6)" in said
        assert "nowhere.b, asked for by step 3" in said
        assert "steps.lost, asked for by steps/a.py:1" in said
        assert "steps.lost, asked for by steps/a.py:2" in said
        assert "...., asked for by steps/a.py:3" in said
        assert said.startswith("4 modules or functions are missing")

    def test_a_relative_import_at_the_top_has_no_package(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModules, match=r"\.x, asked for by top\.py:1"):
            closure_of(tmp_path, a_recipe("top"), {"top.py": "from .x import y\nrun = 1\n"})

    def test_a_name_that_a_package_does_not_bind_is_a_missing_module(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModules, match=r"lib\.gone, asked for by steps/a\.py:1"):
            closure_of(
                tmp_path,
                a_recipe("steps.a"),
                {**code("from lib import there, gone"), "lib/__init__.py": "there = 1\n"},
            )

    @pytest.mark.parametrize(
        "text",
        [
            "from other import *",
            "globals()['gone'] = 1",
            "def __getattr__(name): return 1",
            "import sys\nsys.modules[__name__] = x",
            "def f():\n    global gone\n    gone = 1\nf()",
            "if x:\n    gone = 1",
            "class gone: pass",
            "import gone.x",
            "import x as gone",
            "for gone in []: pass",
        ],
    )
    def test_a_package_that_may_bind_it_is_believed(self, tmp_path: Path, text: str) -> None:
        files = {
            **code("from lib import gone"),
            "lib/__init__.py": text,
            "other.py": "",
            "gone/x.py": "",
            "x.py": "",
        }

        assert "lib/__init__.py" in files_of(tmp_path, files)

    def test_a_function_that_a_module_does_not_have_is_missing(self, tmp_path: Path) -> None:
        with pytest.raises(MissingModules, match=r"steps\.a:run, asked for by step 1"):
            closure_of(tmp_path, a_recipe("steps.a"), {"steps/a.py": "def walk(): pass\n"})

    def test_a_step_of_a_namespace_package_is_believed(self, tmp_path: Path) -> None:
        closure = closure_of(tmp_path, a_recipe("steps"), code(""))

        assert closure.files == {}

    def test_a_step_may_be_the_standard_librarys_or_a_named_wheels(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("json.tool", "etl_lib.steps"),
            {"x.py": ""},
            wheels={"etl_lib": "etl-lib"},
        )

        assert closure.files == {}
        assert list(closure.imports) == ["etl_lib.steps"]

    def test_code_that_is_no_python_3_is_refused(self, tmp_path: Path) -> None:
        for text, said in (
            ("print 'x'", "steps/a.py:1: not Python 3"),
            ("x = '\0'", "steps/a.py"),
            ("x = " + "-" * 100_000 + "1", "steps/a.py"),
        ):
            with pytest.raises(InvalidModule) as refused:
                closure_of(tmp_path, a_recipe("steps.a"), {"steps/a.py": text})
            assert said in str(refused.value)
            assert "asked for by step 1" in str(refused.value)

    def test_code_that_can_not_be_read_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidModule, match="can't be read"):
            read_source(Checkout(tmp_path), "gone.py", "somebody")


class TestData:
    def recipe(self, args: str) -> str:
        return a_recipe("steps.a", args=args)

    def test_files_and_folders_that_arguments_name_are_in(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            self.recipe("{src: a.csv, all: [{deep: data/b.csv}], dir: more, n: 1, t: 'x\\ny'}"),
            {**code(""), "a.csv": "", "data/b.csv": "", "data/c.csv": "", "more/d/e.csv": "",
             "more/__pycache__/x.pyc": "", "more/x.pyc": ""},
        )  # fmt: skip

        assert list(closure.files) == ["a.csv", "data/b.csv", "more/d/e.csv", "steps/a.py"]
        assert closure.files["data/b.csv"][0].asked_by.endswith("args.all.deep")

    def test_a_word_that_happens_to_be_a_folder_is_not(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            self.recipe("{kind: docs, path: ., gone: out/x.csv}"),
            {**code(""), "docs/a.md": ""},
        )

        assert list(closure.files) == ["steps/a.py"]
        assert len([each for each in closure.warnings if "also a folder" in each]) == 2

    def test_what_gitignore_leaves_out_stays_out(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            self.recipe("{a: out/a.csv, b: [keep/b.log, keep/c.log], d: [x/only.csv, y/only.csv]}"),
            {**code(""), ".gitignore": "# local\n\nout/\n*.log\n!b.log\n/x/only.csv\n",
             "out/a.csv": "", "keep/b.log": "", "keep/c.log": "", "x/only.csv": "",
             "y/only.csv": ""},
        )  # fmt: skip

        assert list(closure.files) == ["keep/b.log", "steps/a.py", "y/only.csv"]
        assert len([each for each in closure.warnings if ".gitignore" in each]) == 3

    def test_what_is_outside_is_refused_or_said(self, tmp_path: Path) -> None:
        (tmp_path / "outside.csv").write_text("secret")
        root = tmp_path / "checkout"

        with pytest.raises(UnsafePath, match=r"outside of the checkout.*asked for by step 1"):
            closure_of(root, self.recipe("{src: ../outside.csv}"), code(""))
        closure = closure_of(
            root, self.recipe(f"{{src: {tmp_path}/outside.csv, to: /gone}}"), code("")
        )
        assert len([each for each in closure.warnings if "outside of the checkout" in each]) == 1

    def test_links_out_of_the_checkout_are_refused(self, tmp_path: Path) -> None:
        (tmp_path / "outside.csv").write_text("secret")
        root = write(tmp_path / "checkout", {"data/a.csv": "", **code("")})
        (root / "data" / "link.csv").symlink_to(tmp_path / "outside.csv")
        (root / "inside.csv").symlink_to("data/a.csv")

        assert "inside.csv" in closure_of(root, self.recipe("{src: inside.csv}"), {}).files
        for args in ("{src: data/link.csv}", "{dir: data}"):
            with pytest.raises(UnsafePath, match="a link leads out"):
                closure_of(root, self.recipe(args), {})
        (root / "steps" / "b.py").symlink_to(tmp_path / "outside.csv")
        with pytest.raises(UnsafePath, match="a link leads out"):
            closure_of(root, a_recipe("steps.b"), {})

    def test_a_link_to_itself_is_nothing(self, tmp_path: Path) -> None:
        write(tmp_path, {**code("try:\n  import loop, gone.x\nexcept ImportError: pass")})
        (tmp_path / "loop.py").symlink_to("loop.py")
        (tmp_path / "loop").symlink_to("loop")

        closure = closure_of(tmp_path, a_recipe("steps.a"), {})

        assert list(closure.files) == ["steps/a.py"]
        assert list(closure.optional_imports) == ["gone.x", "loop"]

    def test_a_pipe_is_no_data(self, tmp_path: Path) -> None:
        write(tmp_path, {**code(""), "in/a.csv": ""})
        os.mkfifo(tmp_path / "in" / "pipe")

        with pytest.raises(UnsafePath, match="neither a file nor a folder"):
            closure_of(tmp_path, self.recipe("{dir: in}"), {})

    @pytest.mark.parametrize(
        "text",
        [
            "import os\nopen(os.path.join(os.path.dirname(__file__), 'rules', 'a.json'))",
            (
                "import os\nHERE = os.path.dirname(os.path.abspath(__file__))\n"
                "def f(): return open(HERE + '/rules/a.json')"
            ),
            "from pathlib import Path\n(Path(__file__).parent / 'rules' / 'a.json').read_text()",
            (
                "from pathlib import Path\nR = Path(__file__).resolve().parents[1]\n"
                "x = R.joinpath('steps', 'rules', 'a.json')"
            ),
            "from pathlib import Path\nx = str(Path(__file__).with_name('rules')) + '/a.json'",
            "from importlib.resources import files\nx = files(__package__) / 'rules/a.json'",
            "x = 'steps/rules/a.json'",
            "from os.path import *\nfor n in ['a']: join(dirname(__file__), 'rules', n + '.json')",
            "import os\ndef f(): return open(os.path.join('steps', 'rules', 'a.json'))",
            "import os\nR = os.path.join('steps', 'rules')\ndef f(): return open(R + '/a.json')",
            "from pathlib import Path\nR = Path('steps') / 'rules'\nx = R / 'a.json'",
            "import os\nx = os.path.join(os.getcwd(), './steps', 'rules/a.json')",
            "from pathlib import Path\nx = Path.cwd() / 'steps' / 'rules' / 'a.json'",
            "import os\nx = os.path.join(__file__, os.pardir, 'rules' + os.sep + 'a.json')",
            "import pkgutil\nx = pkgutil.get_data(__name__, 'rules/a.json')",
            "import pkg_resources\nx = pkg_resources.resource_filename('steps', 'rules/a.json')",
        ],
    )
    def test_files_that_code_names_are_in(self, tmp_path: Path, text: str) -> None:
        files = {**code(text), "steps/rules/a.json": "{}", "steps/rules/b.json": "{}"}

        assert files_of(tmp_path, files) == ["steps/a.py", "steps/rules/a.json"]

    @pytest.mark.parametrize("folder", ["steps/", ""])
    def test_a_file_beside_a_module_that_looks_there_is_found_by_its_bare_name(
        self, tmp_path: Path, folder: str
    ) -> None:
        text = (
            "import os\nPLACES = [os.path.dirname(__file__)]\nN = 'a.css', 'gone.css', 'LICENSE'"
            "\ndef run(c, a): return [open(os.path.join(p, n)) for p in PLACES + [] for n in M]\n"
        )
        files = {f"{folder}a.py": text, f"{folder}a.css": "", f"{folder}b.css": ""}
        files |= {f"{folder}LICENSE": "", "steps/c.py": "x = 'a.css'\n"}
        step = f"{folder}a".replace("/", ".")

        closure = closure_of(tmp_path, a_recipe(step), files)

        assert list(closure.files) == [f"{folder}a.css", f"{folder}a.py"]

    def test_a_file_at_the_root_is_found_by_its_bare_name(self, tmp_path: Path) -> None:
        text = "N = 'a.ini'\ndef f(): return open(N), open('b.txt', 'w'), 'LICENSE', 'gone.csv'"
        files = {**code(text), "a.ini": "", "b.txt": "", "LICENSE": "", "c.csv": ""}

        assert files_of(tmp_path, files) == ["a.ini", "steps/a.py"]

    @pytest.mark.parametrize(
        "text",
        [
            "from importlib.resources import read_text\nx = read_text('rules', 'a.t')",
            "import rules\nfrom importlib import resources\nx = resources.read_text(rules, 'a.t')",
            "import rules as r\nfrom importlib.resources import files\nx = files(r) / 'a.t'",
            "import pkgutil, rules.deep\nx = pkgutil.get_data('rules', 'a.t')",
            "from rules import deep\nimport importlib.resources as i\nx = i.files(deep) / '../a.t'",
            "import rules.deep, importlib.resources as i\nx = i.path(rules, 'a.t')",
        ],
    )
    def test_files_of_another_package_are_found_by_its_name(
        self, tmp_path: Path, text: str
    ) -> None:
        files = {**code(text), "rules/__init__.py": "", "rules/deep/x.py": "", "rules/a.t": ""}

        assert "rules/a.t" in files_of(tmp_path, files)

    def test_paths_that_climb_or_are_elsewhere_are_no_data(self, tmp_path: Path) -> None:
        text = (
            "import os\nfrom pathlib import Path\nx = os.path.join('..', 'etc'), Path('/etc/hosts')"
            "\ny = Path('steps') / '..' / '..' / 'x', sum([1, 2]) + 3, Path('steps')"
        )
        assert files_of(tmp_path, code(text)) == ["steps/a.py"]

    def test_a_packages_own_files_are_found_by_its_name(self, tmp_path: Path) -> None:
        files = {
            "steps/__init__.py": "from importlib.resources import files\n"
            "x = files('steps') / 'a.t'\ny = files('other') / 'a.t'\ndef run(): pass\n",
            "steps/a.t": "",
        }

        closure = closure_of(tmp_path, a_recipe("steps"), files)
        assert "steps/a.t" in closure.files

    @pytest.mark.parametrize(
        "text",
        [
            "open('steps/out.csv', 'w')",
            "open('steps/out.csv', mode='ab')",
            "from pathlib import Path\nPath('steps/out.csv').write_text('')",
            "import os\nopen(os.path.join(os.path.dirname(__file__), 'out.csv'), 'w')",
            "x = '../steps/out.csv'",
            "x = '/steps/out.csv'",
            "x = 'steps/'",
            "x = 'see steps/out.csv\\n'",
            "import os.path as p\nx = p.join(p.dirname(__file__), '..', '..', 'steps', 'out.csv')",
            "import os\nx = os.path.join(os.path.dirname(__file__), '/steps/out.csv')",
            "from pathlib import Path\nx = Path(__file__).parents[9] / 'steps' / 'out.csv'",
            "from pathlib import Path\nx = __file__ + '../../../x'",
        ],
    )
    def test_files_that_are_written_or_not_meant_are_not(self, tmp_path: Path, text: str) -> None:
        assert files_of(tmp_path, {**code(text), "steps/out.csv": ""}) == ["steps/a.py"]

    def test_a_file_that_can_not_be_computed_is_said(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            code("import os\ndef f(n): return os.path.join(os.path.dirname(__file__), 'r', n)"),
        )

        assert any("below 'steps/r' that can't be computed" in each for each in closure.warnings)

    @pytest.mark.parametrize(
        "text",
        [
            "def f(*n): return open(os.path.join(os.path.dirname(__file__), 'zones', *n))",
            "H = Path(__file__).parent / 'zones'\ndef f(n): return (H / n).read_text()",
            "def f(n): return open(os.path.join(os.getcwd(), 'steps', 'zones', n))",
            "def f(n): return pkgutil.get_data('steps', 'zones/' + n)",
        ],
    )
    def test_a_folder_in_which_any_file_may_be_read_is_in(self, tmp_path: Path, text: str) -> None:
        files = {
            **code(f"import os, pkgutil\nfrom pathlib import Path\n{text}"),
            "steps/zones/a.tz": "",
            "steps/zones/deep/b.tz": "",
        }

        closure = closure_of(tmp_path, a_recipe("steps.a"), files)

        assert list(closure.files) == ["steps/a.py", "steps/zones/a.tz", "steps/zones/deep/b.tz"]
        assert any("all that is in there is packed" in each for each in closure.warnings)

    @pytest.mark.parametrize(
        "text",
        [
            "def f(n): return open(os.path.join(os.path.dirname(__file__), n))",
            "def f(n): return open(os.path.join(os.path.dirname(__file__), 'more', n))",
            "def f(n): return open(os.path.join(os.path.dirname(__file__), 'zones', n), 'w')",
            "def f(n): os.makedirs(os.path.join(os.path.dirname(__file__), 'zones', n))",
            "def f(n): return open(os.path.join(os.path.dirname(__file__), 'local', n))",
        ],
    )
    def test_not_where_it_has_code_is_local_or_is_written(self, tmp_path: Path, text: str) -> None:
        files = {
            **code(f"import os\n{text}"), "steps/zones/a.tz": "", "steps/more/b.py": "",
            "steps/local/c.tz": "", ".gitignore": "local/\n",
        }  # fmt: skip

        assert files_of(tmp_path, files) == ["steps/a.py"]

    def test_what_recipebox_toml_names_is_in(self, tmp_path: Path) -> None:
        settings = {"etl": RecipeSettings(data=("rules/*.json", "docs"))}
        files = {**code(""), "rules/a.json": "", "rules/b.txt": "", "docs/x/y.md": ""}

        found = files_of(tmp_path, files, recipes=settings)
        assert found == ["docs/x/y.md", "rules/a.json", "steps/a.py"]

    @pytest.mark.parametrize("pattern", ["/etc/passwd", "../x", "gone/*.json", ""])
    def test_what_recipebox_toml_names_must_be_there(self, tmp_path: Path, pattern: str) -> None:
        with pytest.raises(InvalidProject, match=r"recipes\.etl\.data"):
            files_of(tmp_path, code(""), recipes={"etl": RecipeSettings(data=(pattern,))})

    @pytest.mark.parametrize(
        ("command", "found"),
        [
            ("wc -l < data/a.csv > out/x && cat out/x", ["data/a.csv"]),
            ("[sh, tools/go.sh, /etc/passwd]", ["tools/go.sh"]),
            ("python tools/go.py '", ["lib.py", "tools/go.py"]),
            ("python -m tools.go", ["lib.py", "tools/go.py"]),
            ("python -m json.tool data/a.csv", ["data/a.csv"]),
            ("python -m app", ["app/__init__.py", "app/__main__.py", "lib.py"]),
            ("sh tools/no-module.py", ["tools/no-module.py"]),
        ],
    )
    def test_the_words_of_a_command_name_files(
        self, tmp_path: Path, command: str, found: list[str]
    ) -> None:
        quoted = command if command.startswith("[") else f'"{command}"'
        closure = closure_of(
            tmp_path,
            f"steps:\n  - {{type: shell, command: {quoted}}}\n",
            {"data/a.csv": "", "tools/go.sh": "", "lib.py": "", "tools/no-module.py": "not python",
             "app/__init__.py": "",
             "app/__main__.py": "if __name__ == '__main__':\n    from lib import x\n",
             "tools/go.py": "if __name__ == '__main__':\n    import lib\n"},
        )  # fmt: skip

        assert list(closure.files) == found

    def test_compiled_modules_are_packed_and_said(self, tmp_path: Path) -> None:
        closure = closure_of(
            tmp_path,
            a_recipe("steps.a"),
            {**code("import fast, lib.quick"), "fast.abi3.so": "ELF", "fast.txt.so.bak": "",
             "lib/quick.cpython-311-x86_64-linux-gnu.so": "ELF"},
        )  # fmt: skip

        assert "fast.abi3.so" in closure.files
        assert "lib/quick.cpython-311-x86_64-linux-gnu.so" in closure.files
        assert len([each for each in closure.warnings if "is compiled" in each]) == 2


class TestRunner:
    def test_the_checkouts_own_is_found_with_what_it_needs(self, tmp_path: Path) -> None:
        with_a_runner(tmp_path)
        closure = closure_of(tmp_path, a_recipe("steps.a"), code(""))

        assert closure.runner == "orchestrator.runner"
        assert [each for each in closure.files if each.startswith("orch")] == [
            "orchestrator/bag.py", "orchestrator/reading.py", "orchestrator/runner.py"
        ]  # fmt: skip

    def test_what_it_runs_in_its_main_is_followed(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "runner.py": "import argparse\np = argparse.ArgumentParser()\n"
                "p.add_argument('--recipe')\nif __name__ == '__main__':\n    import lib\n",
                "lib.py": "",
            },
        )

        assert "lib.py" in closure_of(tmp_path, a_recipe("steps.a"), code("")).files

    def test_what_it_opens_below_the_working_directory_needs_no_word(self, tmp_path: Path) -> None:
        with_a_runner(tmp_path)
        runner = tmp_path / "orchestrator" / "runner.py"
        runner.write_text(
            f"{runner.read_text()}\nimport os\ndef full(p): return os.path.join(os.getcwd(), p)\n"
        )

        assert closure_of(tmp_path, a_recipe("steps.a"), code("")).warnings == ()

    def test_a_recipe_that_runs_packages_has_the_bundled_one(self, tmp_path: Path) -> None:
        with_a_runner(tmp_path)
        recipe = (
            "execution: {on_error: stop}\nsteps:\n  - {type: recipe, package: t/a, version: ^1}\n"
        )

        closure = closure_of(tmp_path, recipe, {})

        assert closure.runner is None
        assert closure.warnings == (
            "etl.yaml: execution.on_error is not read by the bundled runner",
        )

    def test_what_only_looks_like_one_is_none(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {
                "a/runner.py": "def run(): pass\n",
                "b/runner.py": "p.add_argument('--recipe')\n",
                "c/runner.py": "print 'python 2'\n",
                "d-e/runner.py": "",
            },
        )

        assert find_runners(Checkout(tmp_path)) == []

    def test_of_several_the_first_is_taken_and_said(self, tmp_path: Path) -> None:
        with_a_runner(tmp_path)
        text = "p.add_argument('--recipe')\nif __name__ == '__main__': pass\n"
        closure = closure_of(tmp_path, a_recipe("steps.a"), {**code(""), "z/runner.py": text})

        assert closure.runner == "orchestrator.runner"
        assert any("several runners" in each for each in closure.warnings)


class TestRoot:
    def test_it_is_recipebox_tomls_folder(self, tmp_path: Path) -> None:
        write(tmp_path, {"recipebox.toml": "schema_version = 1", "jobs/a.yaml": a_recipe("x")})
        path = tmp_path / "jobs" / "a.yaml"

        assert find_root(read_recipe(path), find_project(path)) == tmp_path

    def test_else_gits_where_the_modules_are_found(self, tmp_path: Path) -> None:
        write(tmp_path, {".git/HEAD": "", "jobs/a.yaml": a_recipe("jobs.x"), "jobs/x.py": ""})

        assert find_root(read_recipe(tmp_path / "jobs" / "a.yaml"), Project()) == tmp_path

    def test_else_the_nearest_folder_where_they_are(self, tmp_path: Path) -> None:
        write(
            tmp_path,
            {".git/HEAD": "", "sub/jobs/a.yaml": a_recipe("lib.x"), "sub/lib/x.py": ""},
        )

        assert find_root(read_recipe(tmp_path / "sub/jobs/a.yaml"), Project()) == tmp_path / "sub"

    def test_without_any_sign_it_is_the_recipes_folder(self, tmp_path: Path) -> None:
        write(tmp_path, {"jobs/a.yaml": a_recipe("gone.x")})

        assert find_root(read_recipe(tmp_path / "jobs/a.yaml"), Project()) == tmp_path / "jobs"
        with pytest.raises(MissingModules, match=r"gone\.x"):
            find_closure(read_recipe(tmp_path / "jobs/a.yaml"), Project())


def test_no_standard_module_of_this_python_is_unknown() -> None:
    assert not sys.stdlib_module_names - STDLIB


def test_texts_that_are_made_of_themselves_take_no_time(tmp_path: Path) -> None:
    lines = "".join(
        f"    text = text.strip() + other.strip()\n    other = str(text) + {place!r}\n"
        for place in "abcdefgh"
    )
    body = f"def run(c, a):\n    text = other = ''\n{lines}    open(text)\n"

    assert files_of(tmp_path, {"steps/a.py": body}) == ["steps/a.py"]
