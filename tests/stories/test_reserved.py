"""Reserved prefixes: a name comes from its own registry, and nobody else is even asked for it."""

import base64
import tomllib
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter

from recipebox.config import Credentials
from recipebox.errors import InsecureURL, Misuse, Unreachable, Untrusted
from resolver.lock import Lock
from settings.registries import ReservedRegistry
from tests.fakes import WsgiAdapter
from tests.keys import CASES, OTHER, SIGNER
from tests.stories.conftest import Place
from tests.stories.machines import URL, Machine, a_tree, a_wheel, signing
from web.app import create_app
from web.config import ServerConfig
from web.preparing import prepare
from web.services import build_services

OWN = "http://127.0.0.1:8081"
SETTINGS = f'[registries.acme]\nurl = "{OWN}"\nprefixes = ["acme/"]\n'


@dataclass
class Hosts(BaseAdapter):
    """Hands requests to the registry at their host; keeps (path, token) of each, by URL."""

    places: dict[str, Place]
    asked: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    down: set[str] = field(default_factory=set)

    def send(self, request: requests.PreparedRequest, *args: Any, **rest: Any) -> requests.Response:
        """Answer, unless the host is down."""
        url = next(each for each in self.places if str(request.url).startswith(each))
        login = request.headers.get("Authorization", "").removeprefix("Basic ")
        token = base64.b64decode(login).decode().partition(":")[2]
        self.asked.setdefault(url, []).append((request.path_url, token))
        if url in self.down:
            raise requests.exceptions.ConnectionError("Connection refused", request=request)
        return self.places[url].adapter.send(request, *args, **rest)

    def close(self) -> None:
        """Nothing is open."""

    def paths(self, url: str) -> str:
        """Return what was asked of a registry, a line each."""
        return "\n".join(path for path, _ in self.asked.get(url, []))

    def tokens(self, url: str) -> set[str]:
        """Return the tokens that a registry was shown."""
        return {token for _, token in self.asked.get(url, [])}


@pytest.fixture
def own(tmp_path: Path) -> Place:
    """The second registry, in which the namespace `acme` is private."""
    config = ServerConfig(data=tmp_path / "own", server_key=CASES / "other.secret.asc")
    token = prepare(config)
    assert token is not None
    services = build_services(config)
    app = create_app(services, config)
    app.testing = True
    return Place(services.registry, WsgiAdapter(app), token)


@pytest.fixture
def hosts(place: Place, own: Place) -> Hosts:
    return Hosts({URL: place, OWN: own})


@pytest.fixture
def make(
    hosts: Hosts,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Callable[..., Machine]:
    def make(name: str, url: str = URL, settings: str = "", **variables: str) -> Machine:
        given = {"RECIPEBOX_URL": url, "RECIPEBOX_RETRIES": "0", **variables}
        machine = Machine(tmp_path / name, hosts, monkeypatch, capfd, given)  # type: ignore[arg-type]
        machine.places.config.mkdir(parents=True)
        (machine.places.config / "config.toml").write_text(settings)
        return machine

    return make


@dataclass
class World:
    """Both registries with packages, and somebody who reserves `acme/` for the second."""

    hosts: Hosts
    bob: Machine
    public: Machine
    private: Machine
    publish: Callable[..., Path]


@pytest.fixture
def world(hosts: Hosts, make: Callable[..., Machine], tmp_path: Path) -> World:
    """acme/clean is 9.0.0 in the public registry, of somebody else, and 1.0.0 in its own one."""
    variables = signing(OTHER) | {"RECIPEBOX_TOKEN": hosts.places[URL].admin_token}
    public = make("public", **variables)
    for namespace in ("team", "acme"):
        public.rb("namespace", "create", namespace, "--public")
        public.rb("namespace", "key", "add", namespace, "-", stdin=OTHER.public)
    variables = signing(SIGNER) | {"RECIPEBOX_TOKEN": hosts.places[OWN].admin_token}
    private = make("private", OWN, **variables)
    private.rb("namespace", "create", "acme")
    private.rb("namespace", "key", "add", "acme", "-", stdin=SIGNER.public)

    def publish(machine: Machine, name: str, version: str = "1.0.0", **options: Any) -> Path:
        out = tmp_path / "packed" / f"{machine.home.name}-{name.replace('/', '-')}-{version}"
        a_tree(out, name, version, **options)
        machine.rb("sign", out)
        machine.rb("publish", out)
        return out

    publish(public, "team/base")
    publish(public, "acme/clean", "9.0.0")
    publish(private, "acme/clean", requires={"team/base": "^1"}, wheels=[WHEEL])
    publish(private, "acme/app", requires={"acme/clean": "*"})
    publish(public, "team/report", requires={"acme/clean": "*"})
    bob = make("bob", settings=SETTINGS, RECIPEBOX_TOKEN="")
    Credentials(bob.places).keep(OWN, hosts.places[OWN].token("reader", "acme"), as_default=False)
    hosts.asked.clear()
    return World(hosts, bob, public, private, publish)


WHEEL = a_wheel("own", {"own.py": "ORIGIN = 'acme'\n"})


def test_a_reserved_name_comes_from_its_registry_and_no_other_is_asked(
    world: World, tmp_path: Path
) -> None:
    lock = tmp_path / "recipebox.lock"
    said = world.bob.rb("lock", "team/report", "acme/app", "-o", lock, "--json").json

    drawn = tomllib.loads(lock.read_text())
    assert {each["name"]: (each["version"], each.get("source")) for each in drawn["package"]} == {
        "acme/app": ("1.0.0", OWN),
        "acme/clean": ("1.0.0", OWN),
        "team/base": ("1.0.0", None),
        "team/report": ("1.0.0", None),
    }
    own_revision = world.private.client(url=OWN).transport.api("GET", "/index/revision.json")
    assert drawn["sources"] == said["sources"] == {OWN: own_revision["revision"]}
    assert said["packages"][0]["source"] == OWN
    assert Lock.loads(lock.read_text()).dumps() == lock.read_text()

    fetched = world.bob.rb("fetch", "--frozen", lock, "--out", tmp_path / "out", "--json").json

    assert [each["source"] for each in fetched["packages"]] == [OWN, OWN, None, None]
    module = tmp_path / "out" / "acme" / "clean-1.0.0" / "env" / "own.py"
    assert module.read_text() == "ORIGIN = 'acme'\n"
    assert "acme" not in world.hosts.paths(URL)
    assert "team" not in world.hosts.paths(OWN)
    assert world.hosts.paths(OWN).count("/index/acme/clean.json") == 1
    assert "hello from steps.a" in world.bob.rb("run", "acme/app").out
    assert "acme" not in world.hosts.paths(URL)


def test_what_was_locked_and_fetched_needs_no_network(world: World, tmp_path: Path) -> None:
    lock, again = tmp_path / "recipebox.lock", tmp_path / "again.lock"
    world.bob.rb("lock", "acme/app", "-o", lock)
    world.bob.rb("fetch", "--frozen", lock, "--out", tmp_path / "first")
    world.hosts.down = {URL, OWN}

    world.bob.rb("--offline", "fetch", "--frozen", lock, "--out", tmp_path / "second")
    world.bob.rb("--offline", "lock", "acme/app", "-o", again)
    world.bob.rb("--offline", "fetch", "acme/app", "--out", tmp_path / "third")
    world.bob.rb("--offline", "verify", tmp_path / "third")
    world.bob.rb("--offline", "run", tmp_path / "third" / "acme" / "app-1.0.0")
    world.bob.rb(
        "--offline",
        "diff",
        tmp_path / "first" / "acme" / "app-1.0.0",
        tmp_path / "third" / "acme" / "app-1.0.0",
    )

    assert again.read_text() == lock.read_text()
    said = world.bob.rb("--offline", "lock", "team/report", "-o", again, code=3)
    assert "team/report: not in the cache" in said.err


def test_offline_an_index_that_was_not_read_with_the_roots_is_named(
    world: World, tmp_path: Path
) -> None:
    world.bob.rb("lock", "acme/app", "-o", tmp_path / "recipebox.lock")
    entries = world.bob.cache.root / "index"
    for path in entries.iterdir():
        if '"beside ' in path.read_text():
            path.unlink()

    said = world.bob.rb("--offline", "lock", "acme/app", "-o", tmp_path / "a.lock", code=3)

    assert f"{URL}: its index was never read for what is asked for" in said.err


def test_pins_and_keys_are_those_of_its_registry(world: World, tmp_path: Path) -> None:
    said = world.bob.rb("fetch", "acme/app", "--out", tmp_path / "out")

    assert f"first signature of namespace acme of {OWN} seen here: {SIGNER.fingerprint}" in said.err
    assert f"first signature of {OWN} seen here" in said.err
    kept = world.bob.rb("trust", "list", "--json").json
    own = world.bob.rb("trust", "list", "--url", OWN, "--json").json
    assert "acme" not in str(kept)
    assert SIGNER.fingerprint in str(own)
    world.bob.rb("verify", tmp_path / "out")
    world.bob.rb("trust", "remove", "acme", SIGNER.fingerprint, "--url", OWN, "--yes")
    world.bob.rb("trust", "add", "acme", OTHER.fingerprint, "--url", OWN)
    refused = world.bob.rb("verify", tmp_path / "out", code=4)
    assert f"recipebox trust add acme {SIGNER.fingerprint} --url {OWN}" in refused.err


def test_each_registry_is_shown_its_own_token_only(
    world: World, own: Place, place: Place, tmp_path: Path
) -> None:
    mine = place.token("reader", "team")
    world.bob.variables["RECIPEBOX_TOKEN"] = mine

    world.bob.rb("fetch", "team/report", "--out", tmp_path / "out")

    kept = Credentials(world.bob.places).find_token(OWN)
    assert world.hosts.tokens(URL) == {mine}
    assert world.hosts.tokens(OWN) == {kept}
    assert mine != kept


def test_a_name_that_its_registry_lacks_is_looked_up_nowhere_else(
    world: World, tmp_path: Path
) -> None:
    world.publish(world.public, "acme/other", "1.0.0")
    world.publish(world.public, "team/wants", requires={"acme/other": "*"})
    world.hosts.asked.clear()

    direct = world.bob.rb("lock", "acme/other", "-o", tmp_path / "a.lock", code=3)
    through = world.bob.rb("lock", "team/wants", "-o", tmp_path / "a.lock", code=1)

    assert f"there is no package acme/other at {OWN}" in direct.err
    assert f"acme/other is not in the index of {OWN}" in through.err
    assert "acme" not in world.hosts.paths(URL)


@pytest.mark.parametrize("words", [("lock", "-o", "a.lock"), ("fetch", "--out", "out")])
def test_a_registry_that_is_down_is_named(
    words: tuple[str, ...], world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    world.hosts.down = {OWN}

    said = world.bob.rb(words[0], "team/report", *words[1:], code=6)

    assert f"{OWN}: connection refused" in said.err
    assert "acme" not in world.hosts.paths(URL)
    assert not list(tmp_path.glob("*.lock"))
    world.bob.rb("lock", "team/base", "-o", tmp_path / "other.lock")  # which needs nothing of it


def test_a_lock_that_says_another_source_is_refused(world: World, tmp_path: Path) -> None:
    lock, plain = tmp_path / "recipebox.lock", tmp_path / "plain.lock"
    world.bob.rb("lock", "acme/app", "-o", lock)
    world.public.rb("lock", "acme/clean", "-o", plain)
    config = world.bob.places.config / "config.toml"
    frozen = ("fetch", "--out", tmp_path / "out", "--frozen")

    for words in (
        (*frozen, plain),
        ("outdated", "--lock", plain),
        ("export", "--lock", plain, "-o", tmp_path / "x.oci"),
        ("why-not", "acme/clean@2.0.0", "--lock", plain),
    ):
        said = world.bob.rb(*words, code=4)
        assert (
            "acme/clean 9.0.0 is locked from the default registry, and its name is reserved for "
            f"{OWN}" in said.err
        )
    assert "recipebox lock" in said.err
    config.write_text("")
    said = world.bob.rb(*frozen, lock, code=4)
    assert f"acme/app 1.0.0 is locked from {OWN}, and no prefix of its name is reserved" in said.err
    assert "[registries.NAME]" in said.err
    config.write_text(SETTINGS.replace("acme/", "acme/app"))
    assert "acme/clean 1.0.0 is locked from" in world.bob.rb(*frozen, lock, code=4).err
    assert not (tmp_path / "out").exists()


def test_a_lock_from_before_the_prefix_was_reserved_is_locked_again(
    world: World, tmp_path: Path
) -> None:
    world.publish(world.public, "acme/clean", "1.0.0")  # of the same version, and other bytes
    lock = tmp_path / "recipebox.lock"
    world.public.rb("lock", "acme/clean@=1.0.0", "team/base", "-o", lock)
    locked = "acme/clean is locked as 1.0.0 from the default registry, and would now be 1.0.0 from"

    assert f"{locked} {OWN}" in world.bob.rb("lock", "--check", "-o", lock, code=1).err
    assert f"{locked} {OWN}" in world.bob.rb("lock", "-o", lock).out
    world.bob.rb("lock", "--check", "-o", lock)
    world.bob.rb("fetch", "--frozen", lock, "--out", tmp_path / "out")


def test_locking_again_where_nothing_is_reserved_is_refused(world: World, tmp_path: Path) -> None:
    lock = tmp_path / "recipebox.lock"
    world.bob.rb("lock", "acme/app", "-o", lock)
    before = lock.read_text()
    (world.bob.places.config / "config.toml").write_text("")
    world.hosts.asked.clear()

    for words in ((), ("--check",), ("--upgrade",), ("acme/clean",)):
        said = world.bob.rb("lock", *words, "-o", lock, code=4)
        assert f"acme/app 1.0.0 is locked from {OWN}, and no prefix of its name" in said.err
    assert lock.read_text() == before
    assert world.hosts.asked == {}
    with pytest.raises(Untrusted, match="no prefix of its name is reserved"):
        world.bob.client().solve(["acme/app"], keep=Lock.loads(before))


def test_a_registry_that_moved_is_taken_from_where_it_is_now(world: World, tmp_path: Path) -> None:
    lock = tmp_path / "recipebox.lock"
    world.bob.rb("lock", "acme/app", "-o", lock)
    moved = "http://127.0.0.1:8090"
    world.hosts.places = {URL: world.hosts.places[URL], moved: world.hosts.places[OWN]}
    (world.bob.places.config / "config.toml").write_text(SETTINGS.replace(OWN, moved))
    Credentials(world.bob.places).keep(
        moved, world.hosts.places[moved].token("reader", "acme"), as_default=False
    )

    said = world.bob.rb("lock", "-o", lock).out

    assert f"acme/app is locked as 1.0.0 from {OWN}, and would now be 1.0.0 from {moved}" in said
    world.bob.rb("fetch", "--frozen", lock, "--out", tmp_path / "out")


def test_doctor_asks_every_registry(world: World) -> None:
    def found() -> dict[str, Any]:
        checks = world.bob.rb("doctor", "--json", code=1).json["checks"]
        return next(each for each in checks if each["check"] == "reserved")

    assert found() == {
        "check": "reserved",
        "is_good": True,
        "said": f"acme/: {OWN} answers",
    }
    world.hosts.down = {OWN}
    assert not found()["is_good"]
    assert OWN in found()["said"]
    (world.bob.places.config / "config.toml").write_text("")
    assert found()["said"] == "no names are reserved for other registries"


def test_a_lock_is_asked_about_with_each_names_registry(world: World, tmp_path: Path) -> None:
    lock = tmp_path / "recipebox.lock"
    world.bob.rb("lock", "acme/app", "-o", lock)
    world.publish(world.private, "acme/clean", "2.0.0", requires={"team/base": "^1"})
    world.hosts.asked.clear()

    behind = world.bob.rb("outdated", "--lock", lock, "--json").json
    why = world.bob.rb("why-not", "acme/clean@9.0.0", "--lock", lock)

    assert behind["behind"] == 1
    assert behind["packages"][1]["newest"] == "2.0.0"
    assert "The only releases of acme/clean are 2.0.0 and 1.0.0" in why.out
    assert "acme" not in world.hosts.paths(URL)


def test_a_bundle_and_an_archive_are_of_one_registry(world: World, tmp_path: Path) -> None:
    lock = tmp_path / "recipebox.lock"
    world.bob.rb("lock", "team/report", "-o", lock)
    world.bob.variables |= signing(OTHER) | {"RECIPEBOX_TOKEN": world.hosts.places[URL].admin_token}

    for words in (
        ("bundle", "create", "team/shop", "--lock", lock),
        ("promote", "team/shop", "--lock", lock, "--to", "dev"),
        ("export", "--lock", lock, "-o", tmp_path / "x.oci"),
    ):
        said = world.bob.rb(*words, code=2)
        assert f"not all of the lock comes from there: acme/clean 1.0.0 (from {OWN})" in said.err
    assert not (tmp_path / "x.oci").exists()


def test_a_bundle_is_made_in_the_registry_that_all_of_it_comes_from(
    world: World, tmp_path: Path
) -> None:
    world.publish(world.private, "acme/lone")
    lock = tmp_path / "recipebox.lock"
    config = world.private.places.config / "config.toml"
    config.write_text(SETTINGS)
    world.private.rb("lock", "acme/lone", "-o", lock)
    assert Lock.loads(lock.read_text()).sources.keys() == {OWN}

    made = world.private.rb("bundle", "create", "acme/shop", "--lock", lock, "--json").json
    reference = f"acme/shop@{made['digest']}"
    world.private.rb("bundle", "verify", reference)
    world.private.rb("fetch", "--bundle", reference, "--out", tmp_path / "out")
    world.private.rb("export", "--lock", lock, "-o", tmp_path / "x.oci")

    config.write_text(SETTINGS.replace(OWN, "http://127.0.0.1:8082"))
    for words in (
        ("bundle", "verify", reference),
        ("fetch", "--bundle", reference, "--out", tmp_path / "other"),
        ("import", tmp_path / "x.oci", "--to", tmp_path / "other"),
        ("import", tmp_path / "x.oci"),
    ):
        said = world.private.rb(*words, code=4)
        assert "acme/lone (for http://127.0.0.1:8082)" in said.err
    assert not (tmp_path / "other").exists()


def test_what_is_done_to_a_reserved_name_is_done_in_its_registry(
    world: World, tmp_path: Path
) -> None:
    ada = world.private
    ada.variables |= {"RECIPEBOX_URL": URL, "RECIPEBOX_TOKEN": world.hosts.places[URL].admin_token}
    (ada.places.config / "config.toml").write_text(SETTINGS)
    Credentials(ada.places).keep(OWN, world.hosts.places[OWN].admin_token, as_default=False)

    out = world.publish(ada, "acme/new")
    ada.rb("info", "acme/new")
    ada.rb("diff", "acme/new@1.0.0", out / "acme" / "new-1.0.0")
    ada.rb("yank", "acme/new@1.0.0", "--reason", "it drops rows", "--yes")
    ada.rb("unyank", "acme/new@1.0.0")

    assert "acme" not in world.hosts.paths(URL)
    assert ada.client(url=URL).info("team/base")["name"] == "team/base"


def test_a_login_to_a_reserved_registry_leaves_the_default(
    world: World, own: Place, place: Place
) -> None:
    bob = world.bob
    bob.variables["RECIPEBOX_URL"] = ""
    bob.rb("login", URL, "--token-stdin", stdin=place.token("reader", "team"))
    bob.rb("login", OWN, "--token-stdin", stdin=own.token("reader", "acme"))

    assert Credentials(bob.places).default_url() == URL
    assert bob.rb("lock", "acme/app", "-o", "-").out.count(f'source = "{OWN}"') == 2


def test_a_registry_that_is_the_default_too_is_one(world: World, tmp_path: Path) -> None:
    bob = world.bob
    bob.variables |= {"RECIPEBOX_URL": OWN, "RECIPEBOX_TOKEN": world.hosts.places[OWN].admin_token}
    world.publish(world.private, "acme/lone")
    world.hosts.asked.clear()

    bob.rb("fetch", "acme/lone", "--out", tmp_path / "out")

    assert world.hosts.paths(OWN).count("/index/revision.json") == 1
    assert world.hosts.tokens(OWN) == {world.hosts.places[OWN].admin_token}
    bob.rb("trust", "list")
    bob.rb("--offline", "fetch", "acme/lone", "--out", tmp_path / "again")


def test_the_environment_can_reserve(world: World) -> None:
    (world.bob.places.config / "config.toml").write_text("")
    tables = f'acme = {{url = "{OWN}", prefixes = ["acme/"]}}'
    world.bob.variables["RECIPEBOX_REGISTRIES"] = tables

    assert f'source = "{OWN}"' in world.bob.rb("lock", "acme/app", "-o", "-").out


@pytest.mark.parametrize(
    ("url", "kind", "said"),
    [
        ("http://recipes.acme.example", InsecureURL, "plain http to another machine"),
        ("https://recipes.acme.example/path", Misuse, "not a registry's URL"),
        ("https://user:word@recipes.acme.example", Misuse, "holds a user name"),
    ],
)
def test_a_url_that_is_none_is_refused_where_it_stands(
    url: str, kind: type[Exception], said: str, other: Machine
) -> None:
    registry = ReservedRegistry("acme", url, ("acme/",), "file config.toml")
    with pytest.raises(kind, match=rf"registries.acme in file config.toml: .*{said}"):
        other.client(registries=[registry])


def test_two_registries_with_one_url_are_refused(other: Machine) -> None:
    both = [
        ReservedRegistry("acme", "https://recipes.acme.example", ("acme/",)),
        ReservedRegistry("more", "recipes.acme.example", ("team/",)),
    ]
    with pytest.raises(Misuse, match=r"registries.more: .* is the URL of registries.acme too"):
        other.client(registries=both)


def test_plain_http_is_taken_where_it_is_asked_for(other: Machine) -> None:
    registry = ReservedRegistry("acme", "http://recipes.acme.example", ("acme/",))
    client = other.client(registries=[registry], insecure=True)
    assert client.registries.reserved == (registry,)


def test_from_python_the_same_holds(world: World, tmp_path: Path) -> None:
    registry = ReservedRegistry("acme", OWN, ("acme/",))
    with world.bob.client(registries=[registry]) as client:
        client.fetch(client.lock(["acme/app"]), tmp_path / "out")
        world.hosts.down = {OWN}
        with pytest.raises(Unreachable):
            client.lock(["acme/app"])
        plain = world.public.client().lock(["acme/clean"])
        with pytest.raises(Untrusted) as refused:
            client.fetch(plain, tmp_path / "other")
    assert refused.value.values == {"package": "acme/clean", "locked": None, "reserved": OWN}
