"""Chains and trees of locks, rings among them."""

import pytest

from resolver.graph import chains, tree
from resolver.lock import Lock
from resolver.solve import solve
from tests.unit.resolver.builders import LINUX, name, requirements, source

RING = {
    "team/a": {"1.0.0": ["team/b *", "team/e *"]},
    "team/b": {"1.0.0": ["team/c *"]},
    "team/c": {"1.0.0": ["team/a *", "team/d *"]},
    "team/d": {"1.0.0": []},
    "team/e": {"1.0.0": ["team/d *"]},
}


def a_lock(*texts: str) -> Lock:
    return Lock.from_solution(solve(requirements(*texts), source(RING), LINUX))


def told(lock: Lock, text: str) -> list[list[str]]:
    return [
        [f"{link.by.name if link.by else 'you'} > {link.package.name}" for link in chain]
        for chain in chains(lock, name(text))
    ]


def drawn(lock: Lock, *names: str, **options: object) -> list[str]:
    lines = tree(lock, [name(each) for each in names], **options)  # type: ignore[arg-type]
    return [
        f"{line.drawn}{line.package.name.name}{'*' if line.is_repeated else ''}" for line in lines
    ]


def test_each_who_requires_it_has_a_shortest_chain() -> None:
    assert told(a_lock("team/a"), "team/d") == [
        ["you > team/a", "team/a > team/e", "team/e > team/d"],
        ["you > team/a", "team/a > team/b", "team/b > team/c", "team/c > team/d"],
    ]


def test_a_chain_never_leads_through_what_it_leads_to() -> None:
    lock = a_lock("team/a")
    assert told(lock, "team/a") == [["you > team/a"]]  # team/c requires it, and is there for it
    assert told(lock, "team/b") == [["you > team/a", "team/a > team/b"]]


def test_what_was_asked_for_twice_has_both_requirements() -> None:
    lock = a_lock("team/a", "team/a ^1", "team/d")
    assert told(lock, "team/a") == [["you > team/a"], ["you > team/a"]]
    assert told(lock, "team/d")[0] == ["you > team/d"]


def test_what_is_not_there_has_no_chain() -> None:
    assert told(a_lock("team/d"), "team/a") == []


def test_a_tree_ends_in_a_ring() -> None:
    assert drawn(a_lock("team/a")) == [
        "a",
        "├── b",
        "│   └── c",
        "│       ├── a*",
        "│       └── d",
        "└── e",
        "    └── d",
    ]


def test_a_tree_upside_down() -> None:
    assert drawn(a_lock("team/a"), is_inverted=True) == [
        "d",
        "├── c",
        "│   └── b",
        "│       └── a",
        "│           └── c*",
        "└── e",
        "    └── a*",
    ]
    ring = Lock.from_solution(
        solve(
            requirements("team/x"),
            source({"team/x": {"1.0.0": ["team/y *"]}, "team/y": {"1.0.0": ["team/x *"]}}),
            LINUX,
        )
    )
    assert drawn(ring, is_inverted=True) == ["x", "└── y", "    └── x*", "y*"]


@pytest.mark.parametrize(
    ("depth", "expected"),
    [
        (0, ["a"]),
        (1, ["a", "├── b", "└── e"]),
        (2, ["a", "├── b", "│   └── c", "└── e", "    └── d"]),
    ],
)
def test_a_tree_of_some_levels(depth: int, expected: list[str]) -> None:
    assert drawn(a_lock("team/a"), depth=depth) == expected


def test_what_was_cut_off_by_the_depth_is_shown_where_there_is_room() -> None:
    lock = a_lock("team/a", "team/e")
    assert drawn(lock, "team/a", "team/e", depth=1) == ["a", "├── b", "└── e", "e", "└── d"]


def test_a_chain_of_thousands_is_no_recursion() -> None:
    packages = {
        f"team/p{at}": {"1.0.0": [f"team/p{at + 1} *"] if at < 2000 else []} for at in range(2001)
    }
    from resolver.lock import LockedPackage
    from resolver.version import Version

    one = source(packages).find_index(name("team/p0"))
    assert one is not None
    lock = Lock(
        tuple(requirements("team/p0")),
        LINUX,
        7,
        tuple(
            LockedPackage(
                name(package),
                Version.parse("1.0.0"),
                one.releases[0].digest,
                1,
                (),
                tuple(requirements(*releases["1.0.0"])),
            )
            for package, releases in packages.items()
        ),
    )

    assert len(list(tree(lock))) == 2001
    (chain,) = chains(lock, name("team/p2000"))
    assert len(chain) == 2001
