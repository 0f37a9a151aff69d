"""Whose X-Forwarded headers are believed: those of proxies that were named, and only theirs."""

from pathlib import Path

import pytest

from settings.errors import InvalidSetting
from settings.load import load_settings
from web.config import read_config
from web.proxies import PROXIED, BehindProxies, TrustedProxies, read_address, see_through

TRUSTED = TrustedProxies.parse("10.0.0.0/24, fd00::/8 127.0.0.1", "here")


def ask(peer: str, trusted: TrustedProxies = TRUSTED, **headers: str) -> dict[str, object]:
    """Return the environment of a request from `peer`, as the application sees it."""
    environ: dict[str, object] = {
        "REMOTE_ADDR": peer,
        "HTTP_HOST": "inside:8080",
        "wsgi.url_scheme": "http",
    }
    environ.update({f"HTTP_X_FORWARDED_{name.upper()}": value for name, value in headers.items()})
    see_through(environ, trusted)
    return environ


class TestChain:
    @pytest.mark.parametrize(
        ("peer", "chain", "client"),
        [
            ("10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "9.9.9.9, 1.2.3.4", "1.2.3.4"),  # 9.9.9.9 is what 1.2.3.4 said
            ("10.0.0.1", "9.9.9.9, 1.2.3.4, 10.0.0.7", "1.2.3.4"),
            ("10.0.0.1", "10.0.0.9, 10.0.0.7", "10.0.0.9"),
            ("10.0.0.1", "127.0.0.1, 1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "1.2.3.4, nonsense, 10.0.0.7", "10.0.0.7"),
            ("10.0.0.1", "nonsense", "10.0.0.1"),
            ("10.0.0.1", "1.2.3.4:5678", "1.2.3.4"),
            ("10.0.0.1", "[2001:db8::1]:443", "2001:db8::1"),
            ("10.0.0.1", "::ffff:1.2.3.4", "1.2.3.4"),
            ("::ffff:10.0.0.1", "1.2.3.4", "1.2.3.4"),
            ("fd00::1%eth0", "1.2.3.4", "1.2.3.4"),
            ("10.0.0.1", "", "10.0.0.1"),
            ("10.0.0.1", " , ", "10.0.0.1"),
        ],
    )
    def test_it_is_walked_from_the_right_to_the_first_that_nobody_trusts(self, peer, chain, client):
        assert ask(peer, **{"for": chain})["REMOTE_ADDR"] == client

    @pytest.mark.parametrize("peer", ["10.0.1.1", "8.8.8.8", "2001:db8::1", "", "@"])
    def test_from_anybody_else_nothing_is_believed(self, peer):
        environ = ask(peer, **{"for": "1.2.3.4"}, proto="https", host="evil.example")

        assert environ == {
            "REMOTE_ADDR": peer,
            "HTTP_HOST": "inside:8080",
            "wsgi.url_scheme": "http",
            PROXIED: False,
        }

    def test_by_default_nobody_is_trusted(self):
        environ = ask("127.0.0.1", TrustedProxies(), **{"for": "1.2.3.4"}, proto="https")

        assert environ["REMOTE_ADDR"] == "127.0.0.1"
        assert environ["wsgi.url_scheme"] == "http"

    @pytest.mark.parametrize(
        "header", ["FORWARDED", "X_FORWARDED_SSL", "X_FORWARDED_PREFIX", "X_REAL_IP"]
    )
    def test_other_headers_of_the_kind_are_for_nobody(self, header):
        environ = {"REMOTE_ADDR": "10.0.0.1", f"HTTP_{header}": "on"}

        see_through(environ, TRUSTED)

        assert environ == {"REMOTE_ADDR": "10.0.0.1", PROXIED: True}


class TestSchemeAndHost:
    @pytest.mark.parametrize(
        ("chain", "said", "scheme"),
        [
            ("1.2.3.4", "https", "https"),
            ("1.2.3.4", "HTTPS", "https"),
            ("1.2.3.4", "https, http", "http"),  # the left one is the client's own
            ("1.2.3.4, 10.0.0.7", "https, http", "https"),  # two proxies, a value of each
            ("1.2.3.4, 10.0.0.7", "https", "https"),
            ("", "https", "https"),
            ("1.2.3.4", "gopher", "http"),
            ("1.2.3.4", "", "http"),
        ],
    )
    def test_the_scheme_is_that_of_the_outermost_trusted_proxy(self, chain, said, scheme):
        assert ask("10.0.0.1", **{"for": chain}, proto=said)["wsgi.url_scheme"] == scheme

    @pytest.mark.parametrize(
        ("said", "host"),
        [
            ("recipes.example.org", "recipes.example.org"),
            ("recipes.example.org:8443", "recipes.example.org:8443"),
            ("[2001:db8::1]:443", "[2001:db8::1]:443"),
            ("evil.example, recipes.example.org", "recipes.example.org"),
            ("a b", "inside:8080"),
            ("x/../y", "inside:8080"),
            ("user@host", "inside:8080"),
        ],
    )
    def test_the_host_is_one_or_none(self, said, host):
        assert ask("10.0.0.1", **{"for": "1.2.3.4"}, host=said)["HTTP_HOST"] == host


class TestTrusted:
    def test_what_is_no_address_stops_the_start(self):
        with pytest.raises(InvalidSetting, match=r"10\.0\.0\.1/8"):
            TrustedProxies.parse("127.0.0.1, 10.0.0.1/8", "here")
        with pytest.raises(InvalidSetting, match=r"proxy\.example"):
            TrustedProxies.parse("proxy.example", "here")

    def test_nothing_is_nobody(self):
        assert TrustedProxies.parse(None, "here") == TrustedProxies.parse(" , ", "here")
        assert not TrustedProxies().trusts(read_address("127.0.0.1"))

    def test_the_application_sees_what_is_believed(self):
        seen = []
        behind = BehindProxies(lambda environ, _start: seen.append(environ) or [b"x"], TRUSTED)
        environ = {"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "1.2.3.4"}

        assert behind(environ, lambda *_: lambda _data: None) == [b"x"]
        assert seen[0]["REMOTE_ADDR"] == "1.2.3.4"


class TestConfiguration:
    def read(self, **flags: str):
        return read_config(load_settings(flags, {}), Path("/data"))

    def test_accel_needs_a_proxy_that_is_trusted(self):
        config = self.read(accel_prefix="/_blobs/", trusted_proxies="127.0.0.1")

        assert config.ways.accel_prefix == "/_blobs/"
        assert config.ways.files == Path("/data/blobs")
        with pytest.raises(InvalidSetting, match="trusted_proxies beside it"):
            self.read(accel_prefix="/_blobs/")

    @pytest.mark.parametrize("prefix", ["_blobs", "/", "/a/b/", "/_blobs", "/../", "/a b/"])
    def test_a_prefix_is_one_folder(self, prefix):
        with pytest.raises(InvalidSetting, match="accel_prefix in the flag"):
            self.read(accel_prefix=prefix, trusted_proxies="127.0.0.1")

    def test_redirects_have_a_switch_and_a_lifetime(self):
        ways = self.read(redirects="false", redirect_lifetime="60").ways

        assert ways.is_redirecting is False
        assert ways.link_lifetime.total_seconds() == 60
        assert self.read().ways.is_redirecting is True
