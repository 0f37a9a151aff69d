"""Rate limits: counted by principal and by address, in windows of a minute."""

import logging
from datetime import UTC, datetime, timedelta

import pytest
from limits.errors import StorageError

from registry.access import ANONYMOUS, Principal, Role
from settings.errors import InvalidSetting
from settings.load import load_settings
from web.config import read_config
from web.errors import TooManyRequests, problem_of
from web.rates import Memory, RateLimits, Rates, read_address

ANN = Principal("ann", Role.READER, None, "token", "1")
ANNS_OTHER = Principal("ann", Role.READER, None, "token", "2")
BOB = Principal("bob", Role.READER, None, "token", "3")
HERE = {"REMOTE_ADDR": "10.0.0.1"}
THERE = {"REMOTE_ADDR": "10.0.0.2"}


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_time(self, **span: float) -> None:
        self.now += timedelta(**span)


@pytest.fixture
def clock() -> Clock:
    return Clock()


def test_nothing_is_limited_unless_it_is_set(clock: Clock) -> None:
    rates = Rates(RateLimits(), clock)

    assert not rates.is_on
    for _ in range(1000):
        rates.check(HERE, ANONYMOUS)
        rates.check(HERE, ANN)
        rates.fail(HERE)


def test_one_too_many_is_told_when_to_come_back(clock: Clock) -> None:
    rates = Rates(RateLimits(principal=3), clock)
    for _ in range(3):
        rates.check(HERE, ANN)
    clock.pass_time(seconds=20.5)

    with pytest.raises(TooManyRequests) as refused:
        rates.check(HERE, ANN)

    problem = problem_of(refused.value)
    assert (problem.status, problem.oci) == (429, "TOOMANYREQUESTS")
    assert problem.headers == {"Retry-After": "40"}
    assert problem.detail == (
        "requests with tokens of this name may be 3 a minute; try again in 40 seconds"
    )


def test_a_minute_after_the_first_they_pass_again(clock: Clock) -> None:
    rates = Rates(RateLimits(principal=2), clock)
    rates.check(HERE, ANN)
    clock.pass_time(seconds=59)
    rates.check(HERE, ANN)
    assert not rates.allows(HERE, ANN)

    clock.pass_time(seconds=1)

    assert rates.allows(HERE, ANN)


def test_principals_count_by_name_and_from_wherever(clock: Clock) -> None:
    rates = Rates(RateLimits(principal=2), clock)
    rates.check(HERE, ANN)
    rates.check(THERE, ANNS_OTHER)

    assert not rates.allows(HERE, ANN)
    assert rates.allows(HERE, BOB)
    assert rates.allows(HERE, ANONYMOUS)


def test_nobody_counts_by_address(clock: Clock) -> None:
    rates = Rates(RateLimits(anonymous=1), clock)
    rates.check(HERE, ANONYMOUS)

    assert not rates.allows(HERE, ANONYMOUS)
    assert rates.allows(THERE, ANONYMOUS)
    assert rates.allows(HERE, ANN)


def test_refused_logins_count_apart(clock: Clock) -> None:
    rates = Rates(RateLimits(failures=2), clock)
    rates.fail(HERE)
    rates.fail(HERE)

    with pytest.raises(TooManyRequests, match="refused log-ins from this address may be 2"):
        rates.fail(HERE)
    rates.fail(THERE)
    rates.check(HERE, ANN)


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unix:", "unix:"),
    ],
)
def test_whose_address_it_is(address: str, counted: str) -> None:
    assert read_address({"REMOTE_ADDR": address}) == counted


class TestMemory:
    def test_there_are_never_more_counters_than_can_be_afforded(self, clock: Clock) -> None:
        memory = Memory(clock, most=100)

        for number in range(1000):
            memory.incr(str(number), 60)

        assert len(memory) == 100
        assert memory.get("999") == 1
        assert memory.get("0") == 0

    def test_those_that_have_run_out_make_room_first(self, clock: Clock) -> None:
        memory = Memory(clock, most=3)
        memory.incr("old", 60)
        clock.pass_time(seconds=61)

        for name in ("a", "b", "c"):
            memory.incr(name, 60)

        assert [memory.get(name) for name in ("old", "a", "b", "c")] == [0, 1, 1, 1]

    def test_one_that_begins_anew_is_young_again(self, clock: Clock) -> None:
        memory = Memory(clock, most=2)
        memory.incr("a", 60)
        clock.pass_time(seconds=30)
        memory.incr("b", 60)
        clock.pass_time(seconds=30)
        memory.incr("a", 60)

        memory.incr("c", 60)

        assert [memory.get(name) for name in ("a", "b", "c")] == [1, 0, 1]

    def test_a_clock_that_is_put_back_holds_nobody_back(self, clock: Clock) -> None:
        memory = Memory(clock, most=2)
        memory.incr("a", 60, amount=5)
        memory.incr("b", 60, amount=5)

        clock.pass_time(hours=-1)

        assert memory.get("a") == 0
        assert memory.incr("a", 60) == 1
        assert memory.incr("c", 60) == 1
        assert [memory.get(name) for name in ("a", "b", "c")] == [1, 0, 1]

    def test_they_are_forgotten_when_told(self, clock: Clock) -> None:
        memory = Memory(clock)
        memory.incr("a", 60)
        memory.incr("b", 60, amount=5)

        memory.clear("a")

        assert (memory.get("a"), memory.get("b")) == (0, 5)
        assert memory.check()
        assert memory.reset() == 1
        assert memory.get_expiry("b") == clock().timestamp()


class Away(Memory):
    """A twin of a storage that can go away."""

    STORAGE_SCHEME = None
    is_away = False
    asked = 0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        self.asked += 1
        if self.is_away:
            raise StorageError(ConnectionError("connection refused"))
        return super().incr(key, expiry, amount)


class TestAnAbsentStorage:
    def test_nothing_is_limited_and_the_log_says_so_once(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        storage = Away(clock)
        rates = Rates(RateLimits(principal=1, storage="redis://"), clock, storage)
        rates.check(HERE, ANN)
        storage.is_away = True

        with caplog.at_level(logging.WARNING, "web.rates"):
            for _ in range(100):
                rates.check(HERE, ANN)

        assert storage.asked == 2
        assert caplog.messages == [
            "requests aren't limited: the storage of rates is away: connection refused"
        ]

    def test_it_is_asked_again_when_the_clock_is_put_back(self, clock: Clock) -> None:
        storage = Away(clock)
        rates = Rates(RateLimits(principal=1), clock, storage)
        storage.is_away = True
        rates.check(HERE, ANN)
        storage.is_away = False

        clock.pass_time(hours=-1)

        assert rates.allows(HERE, ANN)
        assert not rates.allows(HERE, ANN)

    def test_it_is_asked_again_after_a_while(
        self, clock: Clock, caplog: pytest.LogCaptureFixture
    ) -> None:
        storage = Away(clock)
        rates = Rates(RateLimits(principal=1), clock, storage)
        storage.is_away = True
        rates.check(HERE, ANN)
        storage.is_away = False
        caplog.clear()

        clock.pass_time(seconds=5)
        with caplog.at_level(logging.WARNING, "web.rates"):
            rates.check(HERE, ANN)

        assert not rates.allows(HERE, ANN)
        assert caplog.messages == ["requests are limited again: the storage of rates is back"]


class TestSettings:
    def read(self, tmp_path, **environ: str) -> RateLimits:
        given = {f"RECIPEBOX_{name.upper()}": value for name, value in environ.items()}
        return read_config(load_settings({}, given), tmp_path).rates

    def test_all_is_off_unless_it_is_set(self, tmp_path) -> None:
        assert self.read(tmp_path) == RateLimits()

    def test_they_are_read(self, tmp_path) -> None:
        limits = self.read(
            tmp_path,
            rate_limit="600",
            rate_limit_anonymous="60",
            rate_limit_failures="10",
            rate_storage="redis://localhost:6379/0",
        )

        assert limits == RateLimits(600, 60, 10, "redis://localhost:6379/0")
        assert Rates(limits).is_on

    @pytest.mark.parametrize("url", ["memcached://x", "localhost:6379", "memory://"])
    def test_another_storage_is_refused_without_repeating_it(self, tmp_path, url: str) -> None:
        with pytest.raises(InvalidSetting, match="rate_storage") as refused:
            self.read(tmp_path, rate_storage=url)

        assert url not in str(refused.value)

    def test_the_package_must_be_there(self, tmp_path, monkeypatch) -> None:
        monkeypatch.setattr("web.config.find_spec", lambda _name: None)

        with pytest.raises(InvalidSetting, match=r"pip install 'recipebox\[redis\]'"):
            self.read(tmp_path, rate_storage="redis://localhost")
