import multiprocessing
import pickle
import threading
import time
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest
import xarray as xr

from bayes_coprod.errors import SpecError, WorkerError
from bayes_coprod.inference import refit
from bayes_coprod.inference.fit import load_fit, save_fit
from bayes_coprod.inference.refit import map_fits


def slower_first(task):
    time.sleep(0.02 * (5 - task))
    return 10 * task


def refuse_two(task):
    if task == 2:
        raise SpecError("the prior is none.")
    return task


def break_at_two(task):
    return 1 / (task - 2)


@pytest.mark.parametrize("workers", [None, 3])
def test_results_stand_in_the_order_of_the_tasks(workers):
    if workers is None:
        assert map_fits(slower_first, range(5)) == [0, 10, 20, 30, 40]
        return
    with ThreadPoolExecutor(workers) as pool:
        assert map_fits(slower_first, range(5), executor=pool) == [0, 10, 20, 30, 40]


@pytest.mark.parametrize("workers", [None, 2])
def test_an_error_in_words_keeps_its_kind_and_names_the_task(workers):
    pool = workers and ThreadPoolExecutor(workers)
    with pytest.raises(SpecError, match=r"^refits, 2: the prior is none\.$") as caught:
        map_fits(refuse_two, range(4), executor=pool, label="refits")
    assert isinstance(caught.value.__cause__, SpecError)


@pytest.mark.parametrize("workers", [None, 2])
def test_any_other_failure_names_the_task_and_is_chained(workers):
    pool = workers and ThreadPoolExecutor(workers)
    message = r"^fits, 2: failed with ZeroDivisionError: .*zero\.$"
    with pytest.raises(WorkerError, match=message) as caught:
        map_fits(break_at_two, range(4), executor=pool)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


@pytest.mark.slow
def test_a_worker_that_dies_is_named():
    spawn = multiprocessing.get_context("spawn")
    with (
        ProcessPoolExecutor(1, spawn) as pool,
        pytest.raises(WorkerError, match=r"^fits, 7: failed with BrokenProcessPool"),
    ):
        map_fits(quick_exit, [7], executor=pool)


def quick_exit(task):
    import os

    os._exit(task)


def test_what_has_not_begun_is_cancelled():
    begun, gate = [], threading.Event()

    def work(task):
        begun.append(task)
        if task == 0:
            raise ValueError("at once")
        gate.wait(10)

    with ThreadPoolExecutor(1) as pool:
        try:
            with pytest.raises(WorkerError, match="fits, 0: failed with ValueError: at once"):
                map_fits(work, range(50), executor=pool)
        finally:
            gate.set()
    assert len(begun) <= 2


def test_long_names_are_cut():
    with pytest.raises(WorkerError) as caught:
        map_fits(break_at_two, ["a very long name " * 50])
    assert len(str(caught.value)) < 250


def test_nothing_to_do_is_done():
    assert map_fits(slower_first, []) == []


@pytest.mark.parametrize(("wanted", "watched", "shown"), [(1, 1, 1), (1, 0, 0), (0, 1, 0)])
def test_progress_is_shown_to_who_watches_and_wants_it(wanted, watched, shown, monkeypatch, capsys):
    monkeypatch.setattr(refit, "somebody_watches", lambda: bool(watched))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    map_fits(slower_first, range(5), progressbar=bool(wanted), label="leaving out")
    out, err = capsys.readouterr()
    assert out == ""
    assert ("leaving out" in err) == bool(shown)


def test_a_fit_and_what_it_is_made_of_survive_pickling(flat_fit, tmp_path):
    again = pickle.loads(pickle.dumps(flat_fit))
    assert again.spec == flat_fit.spec
    assert again.codebook == flat_fit.codebook
    xr.testing.assert_identical(again.design, flat_fit.design)
    xr.testing.assert_identical(again.posterior, flat_fit.posterior)
    assert again.design.attrs == flat_fit.design.attrs
    load_fit(save_fit(again, tmp_path / "fit.nc"))  # which proves itself


def test_threads_take_turns():
    """PyTensor's mode is one for all threads: two that compile would leave it to each other's."""
    at_once, most = [], []

    def work(task):
        at_once.append(task)
        most.append(len(at_once))
        time.sleep(0.01)
        at_once.remove(task)
        return task

    with ThreadPoolExecutor(4) as pool:
        assert map_fits(work, range(8), executor=pool) == list(range(8))
    assert max(most) == 1
