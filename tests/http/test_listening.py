"""The sockets that a server listens on, one for each of granian's workers."""

import socket

import pytest

from web.listening import CannotListen, listen, spread

pytestmark = pytest.mark.real


@pytest.fixture
def sockets():
    opened = spread(listen("127.0.0.1", 0), 2)
    yield opened
    for each in opened:
        each.close()


def test_connections_are_shared_out_among_them(sockets):
    place = sockets[0].getsockname()
    clients = [socket.create_connection(place, 10) for _ in range(64)]

    taken = []
    for each in sockets:
        each.settimeout(0)
        taken.append(0)
        try:
            while True:
                each.accept()[0].close()
                taken[-1] += 1
        except BlockingIOError:
            pass

    assert sum(taken) == 64
    assert all(count > 8 for count in taken)  # of 10^10 runs one has fewer
    for client in clients:
        client.close()


def test_another_server_is_told_that_the_port_is_taken(sockets):
    with pytest.raises(CannotListen, match="taken"):
        listen(*sockets[0].getsockname())


def test_a_port_that_is_taken_in_between_is_told(monkeypatch):
    listening = listen("127.0.0.1", 0)
    place = listening.getsockname()
    others = []
    close = socket.socket.close

    def close_and_lose_it(which):
        close(which)
        if which is listening:
            others.append(listen(*place))

    monkeypatch.setattr(socket.socket, "close", close_and_lose_it)
    with pytest.raises(CannotListen, match="taken"):
        spread(listening, 2)
    monkeypatch.undo()
    [other] = others
    other.close()


def test_one_is_left_as_it_is():
    listening = listen("127.0.0.1", 0)
    assert spread(listening, 1) == [listening]
    listening.close()
