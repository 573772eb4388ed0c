"""Training in several processes: an MPI job trains one model, each process on its part of every batch.

mpi4py (extra `mpi`) is imported only when it is used. Knows no files.
"""

from __future__ import annotations

import math
import traceback
import zlib
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import FLAG
from ..data.batches import Samples, part_of
from ..layers.context import ALONE, Group
from ..losses import Loss
from ..messages import terminal
from ..messages.terminal import brief
from ..signatures import Constructed, takes
from ..typing import Array
from . import measures, run_state
from .sources import Arrays, Batches

if TYPE_CHECKING:
    from .history import History
    from .plan import Plan

__all__ = ["Distributed"]


class Distributed(Constructed):
    """Train in several processes: ``fit(..., distributed=Distributed(...))``, or ``distributed=True`` for the defaults.

    Parameters
    ----------
    comm : mpi4py communicator, optional
        By default all processes, MPI.COMM_WORLD.
    sync_batchnorm : bool, default False
        Normalize over the whole batch, as one process does, at the cost of two small messages per layer and step. By
        default each process normalizes its own part, and running statistics are averaged at the end of each epoch (a
        checkpoint within an epoch has those of the first process).

    Raises
    ------
    TypeError
        If comm is not a communicator.
    ImportError
        If mpi4py or MPI is missing.

    Notes
    -----
    The same script runs as one process, ``python script.py``, and as K processes, ``mpirun -n K python -m mpi4py
    script.py``, on one machine or many. ``-m mpi4py`` ends all processes if one fails outside `fit`. Set
    OMP_NUM_THREADS to the number of cores per process. Every process makes the same model with the same seed and has
    the same data, or opens the same memory-mapped files; an iterable must yield the same batches in each.

    batch_size is that of all processes together: each takes the part of every batch that belongs to its rank, gradients
    are summed, and all take the same step. The run equals that of one process within rounding, dropout masks included.
    Loss, accuracy, metrics and batch_loss are those of all processes; validation is shared out. Callbacks run in every
    process, but those with `writes` True (progress, model files, checkpoints, tables) only in the first. `evaluate` and
    `predict` do all the work in each process.

    `fit` raises in every process if one of them cannot begin, if their arguments differ, or if the loss is NaN. A later
    error in one process ends all of them (MPI_Abort) with its traceback.

    References
    ----------
    .. [1] Goyal et al. 2017, "Accurate, Large Minibatch SGD: Training ImageNet in 1 Hour".
    """

    _takes = takes(sync_batchnorm=FLAG)

    def __init__(self, comm: Any = None, *, sync_batchnorm: bool = False) -> None:
        if comm is not None and not all(hasattr(comm, name) for name in ("Allreduce", "Dup", "Abort")):
            raise TypeError(
                f"Distributed: comm is {brief(comm)}, expected an mpi4py communicator, such as MPI.COMM_WORLD"
            )
        self.comm = _mpi().COMM_WORLD if comm is None else comm
        self.sync_batchnorm = sync_batchnorm

    @property
    def rank(self) -> int:
        """The number of this process, 0..size-1; process 0 writes the files."""
        return int(self.comm.Get_rank())

    @property
    def size(self) -> int:
        """Number of processes."""
        return int(self.comm.Get_size())


def _mpi() -> Any:
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError) as cause:  # mpi4py's for a missing libmpi
        raise ImportError(
            f'distributed training needs mpi4py and an MPI: pip install "pynn-cpu[mpi]" brings both ({cause})'
        ) from cause
    return MPI


def together(fit: Callable[..., History], distributed: Distributed | bool, arguments: Mapping[str, Any]) -> History:
    """Run `fit` in this process as one of several, or simply run it if there is only one."""
    if distributed is True:
        distributed = Distributed()
    if not isinstance(distributed, Distributed):
        raise TypeError(f"distributed is {brief(distributed)}, expected True, False or a pynn.Distributed object")
    if distributed.size == 1:
        return fit(**arguments)
    context, ranks = arguments["model"].context, Ranks(distributed)
    context.group = ranks
    try:
        return fit(**arguments)
    except BaseException as error:
        ranks.fail(error)
        raise
    finally:
        context.group, context.first_sample = ALONE, 0
        ranks.comm.Free()


class Ranks(Group):
    """The processes that train one model, as seen by one of them. All of them must make the same calls."""

    def __init__(self, distributed: Distributed) -> None:
        self.mpi, self.comm = _mpi(), distributed.comm.Dup()  # keeps its messages apart
        self.rank, self.size = distributed.rank, distributed.size
        self.sync_batchnorm = distributed.sync_batchnorm
        self.begun = False
        self.common: BaseException | None = None  # an error that all processes raise
        self.first, self.whole = 0, 0  # start of this process's part of the batch; samples of the whole batch
        self._counted = False  # whether hits are counted
        self._gradient: Array | None = None  # of the last loss, by this part's outputs; None: the part has no samples

    # Agreement between processes -------------------------------------------------------------------

    def raised(self, error: BaseException) -> BaseException:
        """Mark the error as one that all processes raise."""
        self.common = error
        return error

    def begin(self, plan: Plan, found: Any) -> Any:
        """What the first process found in its checkpoint; ValueError if the processes have different plans."""
        reports = self._begin((None, run_state.settings(plan)))
        for rank, (_, settings) in enumerate(reports):
            if differences := run_state.differences(reports[0][1], settings):
                raise self.raised(
                    ValueError(
                        "the processes have different arguments; from rank 0 to "
                        f"rank {rank}: {'; '.join(differences)}. All must run the same script on the same data"
                    )
                )
        return self.comm.bcast(found)

    def _begin(self, report: tuple[str | None, Any]) -> list[tuple[str | None, Any]]:
        """The reports of all processes, (error or None, settings); RuntimeError if another process reports an error."""
        self.begun = True
        reports: list[tuple[str | None, Any]] = self.comm.allgather(report)
        for rank, (error, _) in enumerate(reports):
            if error is not None and report[0] is None:
                raise self.raised(RuntimeError(f"rank {rank} of {self.size} cannot train: {error}"))
        return reports

    def fail(self, error: BaseException) -> None:
        """Handle an error that only this process raises: report it before training starts, MPI_Abort after."""
        if error is self.common:
            return
        if not self.begun:
            self._begin((f"{type(error).__name__}: {error}", None))
            return
        terminal.say("".join(traceback.format_exception(error)).rstrip())
        terminal.say(f"pynn: rank {self.rank} of {self.size} failed during training: all processes end")
        self.comm.Abort(1)

    def any(self, flag: bool) -> bool:
        """Whether the flag is True in any process."""
        flags = np.array([flag], np.int32)
        self.comm.Allreduce(self.mpi.IN_PLACE, flags, op=self.mpi.MAX)
        return bool(flags[0])

    def ended(self, interrupted: bool, stopped: str | None) -> tuple[bool, str | None]:
        """Whether any process was interrupted, and the first reason to stop."""
        all_of_them = self.comm.allgather((interrupted, stopped))
        reasons = [reason for _, reason in all_of_them if reason is not None]
        return any(flag for flag, _ in all_of_them), reasons[0] if reasons else None

    def largest(self, *values: float) -> tuple[float, ...]:
        largest = np.array(values)
        self.comm.Allreduce(self.mpi.IN_PLACE, largest, op=self.mpi.MAX)
        return tuple(largest.tolist())

    def of_first(self, values: dict[str, float]) -> dict[str, float]:
        """The measurements of the first process."""
        told: dict[str, float] = self.comm.bcast(values)
        return told

    def start(self, model: Any, counted: bool) -> None:
        """Broadcast the parameters of the first process: other processors may have rounded theirs differently."""
        self._counted = counted
        if model.built:
            for tensor in (model.parameters, *_statistics(model)):
                self.comm.Bcast(tensor)

    def end_epoch(self, model: Any) -> None:
        """Average the running statistics; RuntimeError if the parameters are not the same bits in all processes."""
        for statistic in _statistics(model):
            mean = statistic.astype(np.float64)
            self.add_up(mean)
            statistic[...] = mean / self.size
        checksums = self.comm.allgather(zlib.crc32(model.parameters.data))
        for rank, checksum in enumerate(checksums):
            if checksum != checksums[0]:
                raise self.raised(
                    RuntimeError(
                        f"the parameters of rank {rank} are no longer those of rank 0: that process changed them, or "
                        "its processor rounds differently; set PYNN_ISA=v2 (or v3) for all processes, so that x86-64 "
                        "processors round alike"
                    )
                )

    # Work shared between processes -----------------------------------------------------------------

    def batches(self, source: Arrays | Batches, epoch: int, first: int) -> Generator[Samples, None, None]:
        """This process's part of each batch."""
        with closing(source.epoch(epoch, first)) as batches:
            for number, batch in enumerate(batches, first):
                cut = isinstance(source, Arrays)  # they read only their part
                self.whole = source.size(number) if isinstance(source, Arrays) else len(batch.x)
                part = part_of(self.whole, self.rank, self.size)
                self.first = part.start
                yield batch if cut else batch.part(part)

    def forward(self, model: Any, x: Array) -> Array:
        """Outputs for all samples of x, with each process computing its part."""
        part = part_of(len(x), self.rank, self.size)
        own = model.forward(x[part]) if part.stop > part.start else np.empty((0, *model.output_shape), model.dtype)
        return self._gathered(own, len(x))

    def whole_batch(self, model: Any, y: Array, weights: Array | None) -> tuple[Array, Array, Array | None]:
        """Outputs of the last step, targets and weights of the whole batch."""
        whole_weights = None if weights is None else self._gathered(weights, self.whole)
        return self._gathered(model.outputs, self.whole), self._gathered(y, self.whole), whole_weights

    def _gathered(self, own: Array, count: int) -> Array:
        parts = [part_of(count, rank, self.size) for rank in range(self.size)]
        width = math.prod(own.shape[1:])
        out = np.empty((count, *own.shape[1:]), own.dtype)
        self.comm.Allgatherv(np.ascontiguousarray(own), [out, [(part.stop - part.start) * width for part in parts]])
        return out

    def add_up(self, array: Array) -> None:
        """Replace the array by its sum over all processes, the same bits in each."""
        self.comm.Allreduce(self.mpi.IN_PLACE, array)

    # One step --------------------------------------------------------------------------------------

    def loss_of(self, model: Any, x: Array, y: Array, loss: Loss, weights: Array | None) -> float:
        """The loss of the whole batch; x, y and weights are this process's part of it."""
        model.context.first_sample = self.first
        if self.sync_batchnorm and self.whole < 2 * self.size and model.own_loss() is not None:
            raise self.raised(
                ValueError(
                    f"a batch of {self.whole} samples leaves some of {self.size} processes without any, but with "
                    "sync_batchnorm the model's last layer needs some in each: use another batch_size"
                )
            )
        if len(x):
            sums = self._loss_of_part(model, x, y, loss, weights)
        else:
            sums = np.zeros(5)
            self._gradient = self._pass_without_samples(model, x)
        self.add_up(sums)
        value, right, known, weight, samples = sums.tolist()
        if samples != self.whole:
            raise ValueError(
                f"rank {self.rank} has a batch of {self.whole} samples, but the parts of all processes have "
                f"{int(samples)} in total; all processes must get the same batches"
            )
        self.totals = right if known else None, self.whole, None if weights is None else weight
        return float(value)

    def _loss_of_part(self, model: Any, x: Array, y: Array, loss: Loss, weights: Array | None) -> Array:
        """This part's share of the batch's loss, of hits, of whether hits are counted, of weights and samples."""
        share, scale = len(x) / self.whole, 1.0
        if model.own_loss() is not None:  # that layer computes its own gradient, so it can only be scaled by weights
            share, scale, weights = 1.0, share, share * (np.ones(len(x), model.dtype) if weights is None else weights)
        value = model.loss_of(x, y, loss, weights)
        hits = measures.hits(loss, model.outputs, y, weights) if self._counted else None
        weight = measures.total(weights) or 0.0
        gradient: Array = loss.backward()
        if share != 1:
            gradient = np.multiply(gradient, share, out=model.buffer("share", gradient.shape))
        self._gradient = gradient
        return np.array([value * share, (hits or 0) / scale, hits is not None, weight / scale, len(x)])

    def _pass_without_samples(self, model: Any, x: Array) -> Array | None:
        """A forward pass where layers exchange statistics, else none; returns the gradient of its outputs."""
        if self.sync_batchnorm:
            outputs: Array = model.forward(x, training=True)
            return np.zeros_like(outputs)
        model.keep_statistics()
        model.outputs = np.empty((0, *model.output_shape), model.dtype)
        return None

    def backward(self, model: Any, loss: Loss) -> None:
        if self._gradient is None:
            model.gradients.fill(0)
        else:
            model.backward(self._gradient)
        self.add_up(model.gradients)


def _statistics(model: Any) -> Iterator[Array]:
    """Arrays that are saved but not trained, such as running statistics."""
    return (array for layer in model.walk() for array in layer.state.values())
