# SPDX-License-Identifier: LGPL-2.1-or-later
"""Results are in the order of the inputs, and only a few are computed in advance."""

import threading
from collections.abc import Iterator

import pytest

from spo_trace.formats.fast.threads import ordered

# Longer than any test here takes; one that waits this long fails.
WAIT = 20


@pytest.mark.parametrize("jobs", [1, 2, 3, 8])
def test_results_are_in_the_order_of_the_inputs(jobs: int) -> None:
    assert list(ordered(lambda n: n * n, range(50), jobs)) == [n * n for n in range(50)]
    assert list(ordered(str, [], jobs)) == []


def test_the_first_may_be_done_last() -> None:
    # GIVEN a first input that finishes after the second
    second = threading.Event()

    def work(number: int) -> int:
        if number == 0:
            assert second.wait(WAIT)
        if number == 1:
            second.set()
        return number

    # THEN its result is still the first
    assert list(ordered(work, range(5), 2)) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("jobs", [1, 2, 3])
def test_few_inputs_are_taken_ahead(jobs: int) -> None:
    # GIVEN inputs that are counted as they are taken
    taken = 0

    def inputs() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken = number + 1
            yield number

    # WHEN a result is used, THEN at most one input for each job, and the next, have been taken after it
    for result in ordered(lambda n: n, inputs(), jobs):
        assert taken - (result + 1) <= (0 if jobs == 1 else jobs)


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_is_raised_at_its_place(jobs: int) -> None:
    # GIVEN a function that fails for one input
    def work(number: int) -> int:
        if number == 4:
            raise ValueError(number)
        return number

    results = ordered(work, range(10), jobs)
    # THEN the results before it come, then the error, then nothing
    assert [next(results) for _ in range(4)] == [0, 1, 2, 3]
    with pytest.raises(ValueError, match="4"):
        next(results)
    assert list(results) == []


@pytest.mark.parametrize("jobs", [1, 3])
def test_an_error_of_the_inputs_is_not_lost(jobs: int) -> None:
    def inputs() -> Iterator[int]:
        yield from (0, 1)
        raise OSError("cut")

    with pytest.raises(OSError, match="cut"):
        list(ordered(str, inputs(), jobs))


def test_stopping_early_waits_only_for_running_work() -> None:
    # GIVEN one worker that is busy with the third input
    started, go_on, done = threading.Event(), threading.Event(), list[int]()

    def work(number: int) -> int:
        if number == 2:
            started.set()
            assert go_on.wait(WAIT)
        done.append(number)
        return number

    before = threading.active_count()
    results = ordered(work, range(100), 2)
    assert next(results) == 0
    assert started.wait(WAIT)
    threading.Timer(0.05, go_on.set).start()
    # WHEN the rest is not needed
    results.close()  # type: ignore[attr-defined]
    # THEN no thread is left, and no other input was processed
    assert threading.active_count() <= before + 1
    assert max(done) <= 2
