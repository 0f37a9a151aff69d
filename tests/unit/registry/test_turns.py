"""Turns of writers: of threads, and of processes (which here are two holders of one file)."""

import os
import threading

import pytest

from registry.turns import Turns


@pytest.fixture
def file(tmp_path):
    return tmp_path / "writes.lock"


def test_one_writes_at_a_time(file):
    turns = [Turns(file, 30), Turns(file, 30)]
    inside = []
    most = []

    def write(own):
        for _ in range(50):
            with own.take() as is_ours:
                assert is_ours
                inside.append(own)
                most.append(len(inside))
                inside.remove(own)

    threads = [threading.Thread(target=write, args=(turns[at % 2],)) for at in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(most) == 300
    assert set(most) == {1}


def test_another_thread_is_not_waited_for_for_ever(file):
    turns = Turns(file, 0.01)
    told = []

    def try_it():
        with turns.take() as is_ours:
            told.append(is_ours)

    with turns.take():
        thread = threading.Thread(target=try_it)
        thread.start()
        thread.join()

    assert told == [False]


def test_nor_is_another_process(file):
    mine, other = Turns(file, 0.01), Turns(file, 0.01)

    with mine.take(), other.take() as is_ours:
        assert not is_ours
    with other.take() as is_ours:
        assert is_ours


def test_an_error_gives_the_turn_back(file):
    turns = Turns(file, 0.01)

    with pytest.raises(ValueError, match="oops"), turns.take():
        raise ValueError("oops")

    with turns.take() as is_ours, Turns(file, 0.01).take() as is_other:
        assert (is_ours, is_other) == (True, False)


def test_a_child_of_a_fork_does_not_share_its_parent_s_turn(file):
    turns = Turns(file, 0.01)
    with turns.take():
        pass

    child = os.fork()
    if child == 0:
        os._exit(0 if _is_own(turns, file) else 1)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0


def _is_own(turns, file):
    with turns.take() as is_ours, Turns(file, 0.01).take() as is_other:
        return is_ours and not is_other


def test_where_there_is_no_folder_the_database_tells(tmp_path):
    turns = Turns(tmp_path / "none" / "writes.lock", 0.01)

    with turns.take() as is_ours:
        assert is_ours
    turns.close()


def test_after_a_close_it_is_opened_again(file):
    turns = Turns(file, 0.01)
    for _ in range(2):
        with turns.take() as is_ours:
            assert is_ours
        turns.close()
