"""PaddleSpeech's classes: their import, and their weights."""

from __future__ import annotations

import signal
import warnings
from contextlib import contextmanager
from importlib import import_module
from typing import TYPE_CHECKING, Any

import numpy as np

from embedding_service.checkpoints.archive import CheckpointError
from embedding_service.checkpoints.official import INSTALL

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray


def imported(module: str, threads: int) -> Any:
    """Imports a module of PaddleSpeech, and sets the number of Paddle's threads.

    Raises:
        CheckpointError: PaddleSpeech or Paddle is missing.
    """
    with warnings.catch_warnings(), _sigterm_later():
        warnings.simplefilter("ignore")  # about compilers that only Paddle's extensions need
        try:
            import paddle  # noqa: PLC0415  heavy: only where a model runs

            found = import_module(module)
        except ImportError as error:
            raise CheckpointError(f"PaddleSpeech can't be imported ({error}): {INSTALL}") from error
        paddle.disable_signal_handler()  # it prints a trace for a plain SIGTERM
    # Paddle warns at every call about a mask that PaddleSpeech copies.
    warnings.filterwarnings("ignore", message="To copy construct from a tensor")
    paddle.set_device("cpu")
    paddle.base.core.set_num_threads(threads)
    return found


@contextmanager
def _sigterm_later() -> Iterator[None]:
    """Delays a SIGTERM to the end of the block."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def load(network: Any, given: Mapping[str, NDArray[Any]], files: str) -> dict[str, NDArray[Any]]:
    """Loads weights into an instance of PaddleSpeech's class, and readies it to run.

    Weights of any floating type are computed as float32.

    Args:
        network: The instance.
        given: Weights by their names in its `state_dict`.
        files: Begin of the error: the files that do not fit.

    Returns:
        The weights, float32, by their names.

    Raises:
        CheckpointError: A weight is missing, unknown, of another shape or not finite.
    """
    wanted = network.state_dict()
    problems = [
        *(f"{key} is missing" for key in wanted if key not in given),
        *(f"{key} is unknown" for key in given if key not in wanted),
        *(
            f"{key} has shape {given[key].shape}, not {tuple(value.shape)}"
            for key, value in wanted.items()
            if key in given and given[key].shape != tuple(value.shape)
        ),
        *(
            f"{key} holds values that are no numbers"
            for key, array in given.items()
            if array.dtype.kind != "f" or not np.isfinite(array).all()
        ),
    ]
    if problems:
        more = f" (and {len(problems) - 3} more)" if len(problems) > 3 else ""
        raise CheckpointError(f"{files}: " + "; ".join(problems[:3]) + more)
    network.set_state_dict(as_float32(given))
    network.eval()
    return {key: value.numpy() for key, value in network.state_dict().items()}


def as_float32(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Returns weights of any floating type as they are computed with."""
    return {key: array.astype(np.float32) for key, array in arrays.items()}


def parameter_count(network: Any) -> int:
    """Returns the number of trainable values."""
    return sum(int(np.prod(parameter.shape)) for parameter in network.parameters())
