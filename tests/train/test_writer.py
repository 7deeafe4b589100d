"""The writer behind the loop: in order, nothing lost, the first error ends it."""

import threading
import time

import pytest
import torch

from lib.train.writer import WAITING, Writer, frozen


def test_jobs_are_done_in_the_order_given_and_all_of_them_before_the_block_ends():
    done = []
    with Writer() as writer:
        for number in range(20):
            writer.submit(lambda number=number: (time.sleep(0.001 * (number % 3)), done.append(number)))
    assert done == list(range(20))


def test_the_loop_goes_on_while_a_job_is_done_and_waits_when_too_many_are():
    gate, started = threading.Event(), threading.Event()
    with Writer() as writer:
        writer.submit(lambda: (started.set(), gate.wait(10)))
        assert started.wait(10)
        for _ in range(WAITING):
            writer.submit(lambda: None)
        late = threading.Thread(target=writer.submit, args=(lambda: None,))
        late.start()
        late.join(0.1)
        assert late.is_alive()
        gate.set()
        late.join(10)
        assert not late.is_alive()


def test_after_flush_everything_given_is_done():
    done = []
    with Writer() as writer:
        writer.submit(lambda: (time.sleep(0.05), done.append(1)))
        writer.flush()
        assert done == [1]


def fails():
    raise OSError("no room")


def test_the_first_error_reaches_the_loop_at_its_next_call():
    writer = Writer().__enter__()
    writer.submit(fails)
    with pytest.raises(OSError, match="no room"):
        writer.flush()
    with pytest.raises(OSError, match="no room"):
        writer.submit(lambda: None)


def write_after_an_error(done):
    with Writer() as writer:
        writer.submit(fails)
        writer.submit(lambda: done.append(1))


def test_nothing_is_written_after_an_error_and_leaving_tells_it():
    done = []
    with pytest.raises(OSError, match="no room"):
        write_after_an_error(done)
    assert done == []


def interrupted(done):
    with Writer() as writer:
        writer.submit(lambda: (time.sleep(0.05), done.append(1)))
        raise KeyboardInterrupt


def test_an_error_of_the_loop_is_told_after_what_was_given_is_written():
    done = []
    with pytest.raises(KeyboardInterrupt):
        interrupted(done)
    assert done == [1]


def test_frozen_tensors_are_those_of_the_moment():
    weight = torch.nn.Parameter(torch.zeros(3))
    fetch = frozen({"weight": weight})
    with torch.no_grad():
        weight += 1
    assert fetch()["weight"].tolist() == [0, 0, 0]
