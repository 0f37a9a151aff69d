"""Where keys stand in a TOML file."""

import tomllib

import pytest

from recipes.toml_text import find_key, place_of

TEXT = '''\
schema_version = 1   # [not.a.table]
"quoted.key" = 1
text = """
[fake]
key = 1
"""
  [ recipes . "a.b" ]  # a comment
  name = "x"
  deep.er = { inline = 1 }
[[recipes.c.allowed]]
file = "x"
[[recipes.c.allowed]]
file = 'y'
'''


@pytest.mark.parametrize(
    ("parts", "place"),
    [
        (("schema_version",), (1, 1)),
        (("quoted.key",), (2, 1)),
        (("fake",), None),
        (("key",), None),
        (("recipes", "a.b"), (7, 3)),
        (("recipes", "a.b", "name"), (8, 3)),
        (("recipes", "a.b", "gone"), (7, 3)),
        (("recipes", "a.b", "deep", "er", "inline"), (9, 3)),
        (("recipes", "c", "allowed", "0", "file"), (11, 1)),
        (("recipes", "c", "allowed", "1", "file"), (13, 1)),
        (("recipes", "c", "allowed", "2"), None),
    ],
)
def test_a_key_is_found_or_the_nearest_above_it(
    parts: tuple[str, ...], place: tuple[int, int] | None
) -> None:
    tomllib.loads(TEXT)

    assert find_key(TEXT, parts) == place


@pytest.mark.parametrize(
    ("text", "place"), [("a = 1\nb =\n", (2, 4)), ("a = [", (None, None)), ("\x00", (1, 1))]
)
def test_what_tomllib_refuses_has_a_place(text: str, place: tuple[int | None, int | None]) -> None:
    with pytest.raises(tomllib.TOMLDecodeError) as refused:
        tomllib.loads(text)

    assert place_of(refused.value)[:2] == place
    assert place_of(ValueError("other")) == (None, None, "other")
