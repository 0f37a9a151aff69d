from pathlib import Path

import pytest

from settings.errors import InvalidSetting, UnknownSetting, UnreadableFile
from settings.load import load_settings
from settings.registries import ReservedRegistry
from settings.table import SETTINGS


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('workers = 3\nthreads = 5\nurl = "https://in.file"\ninsecure = true\n')
    return path


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(file):
    settings = load_settings(
        {"workers": 7, "listen": None},
        {"RECIPEBOX_WORKERS": "6", "RECIPEBOX_THREADS": "8", "PATH": "/bin"},
        file,
    )
    assert settings.whole("workers") == 7
    assert settings.whole("threads") == 8
    assert settings.text("url") == "https://in.file"
    assert settings.switch("insecure") is True
    assert settings.address("listen") == ("127.0.0.1", 8080)
    assert [settings.origins[name] for name in ("workers", "threads", "url", "listen")] == [
        "flag",
        "environment",
        "file",
        "default",
    ]


def test_what_is_not_set_is_none():
    settings = load_settings({}, {})
    assert settings.text("token") is None
    assert settings.path("data") is None


def test_a_path_may_begin_at_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/someone")
    assert load_settings({"data": "~/box"}, {}).path("data") == Path("/home/someone/box")


def test_an_unknown_variable_stops_the_start_and_names_the_nearest():
    with pytest.raises(UnknownSetting, match="did you mean RECIPEBOX_WORKERS"):
        load_settings({}, {"RECIPEBOX_WORKER": "2"})


def test_a_variable_that_is_like_nothing_points_to_the_list():
    with pytest.raises(UnknownSetting, match=r"docs/settings.md"):
        load_settings({}, {"RECIPEBOX_ZZZZQQQQ": "2"})


def test_a_variable_of_somebody_else_is_let_be():
    load_settings({}, {"RECIPEBOX_OTHER": "2"}, other_variables=["RECIPEBOX_OTHER"])


def test_an_unknown_key_stops_the_start_and_names_the_nearest(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("worker = 1\n")
    with pytest.raises(UnknownSetting, match="did you mean workers") as caught:
        load_settings({}, {}, path)
    assert str(path) in str(caught.value)


def test_a_secret_in_a_file_is_refused_and_points_to_its_variable(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text('token = "x"\n')
    with pytest.raises(UnreadableFile, match="RECIPEBOX_TOKEN"):
        load_settings({}, {}, path)


def test_a_file_that_is_named_must_be_there(tmp_path):
    with pytest.raises(UnreadableFile, match="no such file"):
        load_settings({}, {"RECIPEBOX_CONFIG": str(tmp_path / "none.toml")})
    assert load_settings({}, {}, tmp_path / "none.toml").origins["workers"] == "default"


def test_a_file_named_by_a_flag_is_read(file):
    assert load_settings({"config": str(file)}, {}).whole("workers") == 3


@pytest.mark.parametrize("text", ["= 1", "\x00"])
def test_a_file_that_is_no_toml_is_refused(tmp_path, text):
    path = tmp_path / "config.toml"
    path.write_text(text)
    with pytest.raises(UnreadableFile, match="not TOML"):
        load_settings({}, {}, path)


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(UnreadableFile, match="directory"):
        load_settings({}, {}, tmp_path)


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("RECIPEBOX_WORKERS", "0", "1 or more"),
        ("RECIPEBOX_WORKERS", "-1", "whole number of processes"),
        ("RECIPEBOX_WORKERS", "two", "whole number"),
        ("RECIPEBOX_WORKERS", "²", "whole number"),
        ("RECIPEBOX_INSECURE", "maybe", "true or false"),
        ("RECIPEBOX_LISTEN", "8080", "HOST:PORT"),
        ("RECIPEBOX_LISTEN", "127.0.0.1:70000", "HOST:PORT"),
        ("RECIPEBOX_LOG_FORMAT", "xml", "text or json"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused(variable, value, expected):
    with pytest.raises(InvalidSetting, match=expected) as caught:
        load_settings({}, {variable: value})
    assert variable in str(caught.value)


def test_a_key_of_the_wrong_kind_is_refused(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("url = 7\nworkers = true\n")
    with pytest.raises(InvalidSetting, match="isn't empty"):
        load_settings({}, {}, path)


def test_a_choice_and_an_ipv6_address_are_read():
    settings = load_settings({}, {"RECIPEBOX_LOG_FORMAT": "json", "RECIPEBOX_LISTEN": "[::1]:0"})
    assert settings.text("log_format") == "json"
    assert settings.address("listen") == ("::1", 0)


def test_every_setting_has_a_meaning_and_a_reason():
    for setting in SETTINGS:
        assert setting.meaning.endswith(".")
        assert setting.reason.endswith(".")
        assert setting.name == setting.name.lower()


TABLES = """
[registries.acme]
url = "https://recipes.acme.example"
prefixes = ["acme/", "team/private-"]

[registries.lab_2]
url = "https://lab.example"
prefixes = ["lab/x"]
"""


def test_registries_are_read_from_tables(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    where = f"file {path}"
    acme = ReservedRegistry(
        "acme", "https://recipes.acme.example", ("acme/", "team/private-"), where
    )
    lab = ReservedRegistry("lab_2", "https://lab.example", ("lab/x",), where)
    assert load_settings({"config": str(path)}, {}).registries() == (acme, lab)
    assert acme.holds("team/private-x")
    assert not acme.holds("team/public")
    assert not acme.holds("acmes/x")
    assert load_settings({}, {}).registries() == ()


def test_registries_of_the_environment_are_the_same_tables(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text(TABLES)
    text = 'own = {url = "https://own.example", prefixes = ["own/"]}'
    settings = load_settings({}, {"RECIPEBOX_REGISTRIES": text}, path)
    where = "variable RECIPEBOX_REGISTRIES"
    assert settings.registries() == (
        ReservedRegistry("own", "https://own.example", ("own/",), where),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("= 1", "registries in .*: expected tables in TOML"),
        ("acme = 1", "registries.acme in .*: expected a table of url and prefixes, found 1"),
        ('acme = {url = "https://a"}', "expected a table of url and prefixes"),
        ('Acme = {url = "https://a", prefixes = ["a/"]}', "expected a name of lower-case"),
        ('acme = {url = 7, prefixes = ["a/"]}', "registries.acme.url in .*: expected the URL"),
        ('acme = {url = "https://a", prefixes = []}', "registries.acme.prefixes in .*: expected a"),
        ('acme = {url = "https://a", prefixes = ["acme"]}', "a namespace with its slash.*'acme'"),
        ('acme = {url = "https://a", prefixes = ["/x"]}', "a namespace with its slash"),
        ('acme = {url = "https://a", prefixes = ["a/b/"]}', "a namespace with its slash"),
        ('acme = {url = "https://a", prefixes = ["A/"]}', "a namespace with its slash"),
        ('acme = {url = "https://a", prefixes = [7]}', "a namespace with its slash"),
        (
            'a = {url = "https://a", prefixes = ["x/"]}\nb = {url = "b", prefixes = ["x/"]}',
            "registries.b.prefixes in .*: expected a prefix that doesn't overlap that of a, x/",
        ),
        (
            'b = {url = "b", prefixes = ["x/y-"]}\na = {url = "a", prefixes = ["x/", "x-y/"]}',
            "registries.b.prefixes in .*: expected a prefix that doesn't overlap that of a, x/",
        ),
        (
            'a = {url = "https://a", prefixes = ["x/y", "x/"]}',
            "registries.a.prefixes in .*: expected a prefix that doesn't overlap its own, x/",
        ),
    ],
)
def test_registries_from_which_a_name_could_come_twice_or_never_are_refused(text, said):
    with pytest.raises(InvalidSetting, match=said):
        load_settings({}, {"RECIPEBOX_REGISTRIES": text})


def test_registries_in_a_file_are_tables(tmp_path):
    path = tmp_path / "config.toml"
    path.write_text("registries = 7\n")
    with pytest.raises(InvalidSetting, match="expected a table for each registry") as caught:
        load_settings({}, {}, path)
    assert str(path) in str(caught.value)
    path.write_text("[registry.acme]\n")
    with pytest.raises(UnknownSetting, match="did you mean registries"):
        load_settings({}, {}, path)


def test_an_error_names_the_file_that_was_read(tmp_path, file):
    named = tmp_path / "named.toml"
    named.write_text('workers = "two"\n')
    with pytest.raises(InvalidSetting, match=str(named)):
        load_settings({"config": str(named)}, {}, file)
