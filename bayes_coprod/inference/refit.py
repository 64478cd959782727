"""Many fits: one after another, or on whatever processes an executor has."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor, Future, as_completed
from dataclasses import dataclass
from functools import partial

import xarray as xr
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from bayes_coprod.errors import CoprodError, SpecError, WorkerError, make_error
from bayes_coprod.inference.fit import Fit
from bayes_coprod.inference.sample import fit_design, somebody_watches
from bayes_coprod.model.spec import ModelSpec
from bayes_coprod.survey.entries import Codebook

_NAME_WIDTH = 80
"""Of a task's name in a message."""
_TURN = threading.Lock()
"""PyTensor sets its mode for the whole process while it compiles, so a process fits one by one."""


@dataclass(frozen=True, eq=False)
class Refit:
    """One fit that is to be made; it can be sent to another process.

    Parameters
    ----------
    name : str
        What messages call it, such as ``"without Denmark"``.
    spec : ModelSpec
    codebook : Codebook
    design : xarray.Dataset
        Of one data set.
    """

    name: str
    spec: ModelSpec
    codebook: Codebook
    design: xr.Dataset

    def __str__(self) -> str:
        return self.name


def run_refit(task: Refit) -> Fit:
    """Make the fit that a task asks for; silent, as it runs beside others.

    Parameters
    ----------
    task : Refit

    Returns
    -------
    Fit
    """
    return fit_design(task.spec, task.codebook, task.design)


def map_fits[Task, Result](
    function: Callable[[Task], Result],
    tasks: Sequence[Task],
    *,
    executor: Executor | None = None,
    progressbar: bool = True,
    label: str = "fits",
) -> list[Result]:
    """Call a function for each of several tasks, here or wherever an executor runs them.

    Parameters
    ----------
    function : callable
        Of the module level, so that it can be sent to another process.
    tasks : sequence
        What messages name by ``str(task)``.
    executor : concurrent.futures.Executor, optional
        Processes, which must be started with ``spawn``, a cluster's ``client.get_executor()``, or
        threads, which take turns; one after another in this process otherwise.
    progressbar : bool
        Show how many are done, in a notebook or on a terminal.
    label : str
        What the tasks are together, for the progress bar and messages.

    Returns
    -------
    list
        Of the results, in the order of the tasks.

    Raises
    ------
    CoprodError
        What a task could not work with, and which task it was. Tasks that have not begun are
        cancelled.
    WorkerError
        If a task fails in any other way; the cause is chained.
    """
    results: dict[int, Result] = {}
    columns = (TextColumn("{task.description}"), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(
        *columns,
        console=Console(stderr=True),
        transient=True,
        disable=not (progressbar and somebody_watches()),
    ) as progress:
        bar = progress.add_task(label, total=len(tasks))
        for i, call in _calls(executor, function, tasks):
            results[i] = _call(call, f"{label}, {_shortened(tasks[i])}")
            progress.advance(bar)
    return [results[i] for i in range(len(tasks))]


def _calls[Task, Result](
    executor: Executor | None, function: Callable[[Task], Result], tasks: Sequence[Task]
) -> Iterator[tuple[int, Callable[[], Result]]]:
    """Positions of the tasks, and calls that give each one's result, as they are ready."""
    if executor is None:
        for i, task in enumerate(tasks):
            yield i, partial(function, task)
        return
    if not isinstance(executor, Executor):
        raise make_error(
            SpecError,
            "executor",
            f"a {type(executor).__name__} is none",
            remedy="Give a concurrent.futures.Executor; of a Dask client, client.get_executor().",
        )
    futures: dict[Future[Result], int] = {}
    try:
        for i, task in enumerate(tasks):
            futures[executor.submit(_in_turn, function, task)] = i
        for future in as_completed(futures):
            yield futures[future], future.result
    finally:  # of what has ended this is nothing
        for future in futures:
            future.cancel()


def _in_turn[Task, Result](function: Callable[[Task], Result], task: Task) -> Result:
    """Call a function while no other thread of its process does."""
    with _TURN:
        return function(task)


def _call[Result](call: Callable[[], Result], name: str) -> Result:
    """Give a call's result, or its error with the task's name."""
    try:
        return call()
    except CoprodError as error:
        raise type(error)(f"{name}: {error}") from error
    except Exception as error:
        what = f"failed with {type(error).__name__}: {str(error) or 'no message'}"
        raise make_error(WorkerError, name, what.rstrip(".")) from error


def _shortened(task: object) -> str:
    return textwrap.shorten(str(task), _NAME_WIDTH, placeholder=" ...")
