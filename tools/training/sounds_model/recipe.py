"""The training run: trains on batches, measures retrieval by kind, exports a checkpoint."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
from paddle.nn import functional

from embedding_service.network.families.panns.network import Shape, build
from embedding_service.network.features import mel_db
from tools.training.averaging import average_in
from tools.training.background import made_in_background
from tools.training.checkpoint import load_state, save_state
from tools.training.schedule import learning_rate_factor
from tools.training.sounds_model.batches import FEATURES, Batch, BatchMaker, BatchPlan
from tools.training.sounds_model.checkpoint import export_checkpoint, keep_tags
from tools.training.sounds_model.evaluation import Retrieval, average_precision, retrieval
from tools.training.sounds_model.examples import load_examples
from tools.training.sounds_model.kinds import KINDS
from tools.training.sounds_model.objective import alike, losses, tag_weights, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Report = Callable[[str], None]
    Wave = NDArray[np.float32]

_WEIGHT_DECAY = 0.02
_GRADIENT_LIMIT = 2.0
_DROPPED = 0.1
_DIMENSION = 512
_SPREAD_DB = 20.0
_FEWEST = 4
"""Sounds that a tag needs to be examined at all."""

_REPORT_SECONDS = 20.0
_EXAMINED_EVERY = 150.0


@dataclass(frozen=True)
class RunOptions:
    """The options of a run.

    Attributes:
        examples: File of the examples.
        work: Folder for the state.
        export: Folder that gets the checkpoint; None writes none.
        minutes: Longest time of the run by the clock; None sets no limit.
        steps: Number of batches; None sets no limit. Equal seeds then give equal weights.
        width: Channels of each block, divided by those of CNN6.
        frames: Frames in a batch, all clips together.
        rate: Highest learning rate.
        seed: Seed of every random choice.
        resume: True to go on from the state in `work`, with a new schedule.
        least_precision: Average precision on recordings never heard that a tag needs to be kept.
        also: Names of tags to keep in any case, with commas between them: they were examined
            elsewhere.
    """

    examples: Path
    work: Path
    export: Path | None = None
    minutes: float | None = None
    steps: int | None = None
    width: float = 0.25
    frames: int = 3200
    rate: float = 2e-3
    seed: int = 1
    resume: bool = False
    least_precision: float = 0.3
    also: str = ""


@dataclass
class Run:
    """One run from the examples to the checkpoint.

    Attributes:
        options: The options of the run.
        report: Called with each line of progress.
        steps: Batches learned from so far.
    """

    options: RunOptions
    report: Report
    steps: int = 0
    _means: dict[str, float] = field(default_factory=dict)

    def train(self) -> Retrieval:
        """Trains, exports, and returns the figures for recordings that were never heard."""
        # Paddle numbers its weights. They start again, so that a saved optimizer state fits them.
        with paddle.utils.unique_name.guard():
            return self._run()

    def _run(self) -> Retrieval:
        options = self.options
        paddle.seed(options.seed)
        paddle.base.core.set_num_threads(1)
        self._examples = load_examples(options.examples)
        self._wanted = targets(self._examples)
        kinds = self._examples.kinds[self._examples.trained]
        self._tag_weights = paddle.to_tensor(tag_weights(kinds))
        self._build()
        if options.resume:
            self._resume()
        self._train()
        self._save()
        figures, precision = self.examine()
        self._export(precision)
        return figures

    def _build(self) -> None:
        options = self.options
        self._network = build(Shape("CNN6", options.width, len(KINDS), _DIMENSION))
        self._average = build(Shape("CNN6", options.width, len(KINDS), _DIMENSION))
        # The running statistics of the features start near their values.
        numbers = self._examples.trained[:200]
        means = [mel_db(self._examples.wave(int(one)), FEATURES).mean(axis=1) for one in numbers]
        first = self._network.bn0
        first._mean.set_value(np.mean(means, axis=0).astype(np.float32))  # noqa: SLF001  Paddle has no other way
        first._variance.set_value(np.full(FEATURES.n_mels, _SPREAD_DB**2, np.float32))  # noqa: SLF001  the same
        self._average.set_state_dict(self._network.state_dict())
        self._average.eval()
        self._optimizer = paddle.optimizer.AdamW(
            options.rate,
            parameters=self._network.parameters(),
            weight_decay=_WEIGHT_DECAY,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(_GRADIENT_LIMIT),
        )

    def _train(self) -> None:
        options = self.options
        plan = BatchPlan(options.seed, options.examples, options.frames)
        began = reported = examined = time.monotonic()
        first = self.steps
        with made_in_background(partial(BatchMaker, plan), first, 1) as batches:
            while (share := self._share(first, began)) < 1.0:
                self._optimizer.set_lr(options.rate * learning_rate_factor(share))
                self._learn(next(batches))
                now = time.monotonic()
                if now - reported >= _REPORT_SECONDS:
                    reported = now
                    self.report(self._line(share, (self.steps - first) / (now - began)))
                if now - examined >= _EXAMINED_EVERY:
                    examined = now
                    self.report(str(self.examine()[0]))
                    self._save()

    def _share(self, first: int, began: float) -> float:
        options = self.options
        by_steps = (self.steps - first) / options.steps if options.steps else 0.0
        seconds = time.monotonic() - began
        by_time = seconds / (60.0 * options.minutes) if options.minutes else 0.0
        return max(by_steps, by_time)

    def _learn(self, batch: Batch) -> None:
        numbers = batch.numbers
        vectors = forward(self._network, paddle.to_tensor(batch.features))
        parts = losses(
            vectors,
            self._network.fc_audioset(vectors),
            paddle.to_tensor(self._wanted[numbers]),
            paddle.to_tensor(alike(self._examples, numbers)),
            paddle.to_tensor(self._examples.kinds[numbers]),
            self._tag_weights,
        )
        paddle.add_n(list(parts.values())).backward()
        self._optimizer.step()
        self._optimizer.clear_grad()
        self.steps += 1
        average_in(self._average, self._network, self.steps)
        for name, part in parts.items():
            value = float(part)
            self._means[name] = 0.97 * self._means.get(name, value) + 0.03 * value

    def _line(self, share: float, pace: float) -> str:
        parts = ", ".join(f"{name} {value:.3f}" for name, value in self._means.items())
        return f"{share:6.1%}  step {self.steps}  {pace:.2f} steps/s  {parts}"

    def examine(self) -> tuple[Retrieval, dict[str, float]]:
        """Measures on recordings never heard.

        Returns:
            Retrieval among sounds that are no takes of the same, and the average precision of
            each tag that four of them or more have.
        """
        numbers = self._examples.examined
        vectors, scores = embed(self._average, [self._examples.wave(int(one)) for one in numbers])
        kinds, series = self._examples.kinds[numbers], self._examples.series[numbers]
        precision = {
            name: average_precision(scores[:, kind], kinds[:, kind] > 0)
            for kind, name in enumerate(KINDS)
            if kinds[:, kind].sum() >= _FEWEST
        }
        return retrieval(vectors, kinds, list(series)), precision

    def _export(self, precision: dict[str, float]) -> None:
        options = self.options
        if options.export is None:
            return
        also = options.also.split(",")
        kept = [
            number
            for number, name in enumerate(KINDS)
            if precision.get(name, 0.0) >= options.least_precision or name in also
        ] or list(range(len(KINDS)))
        keep_tags(self._average, kept)
        shape = Shape("CNN6", options.width, len(kept), _DIMENSION)
        export_checkpoint(self._average, shape, [KINDS[one] for one in kept], options.export)
        for one in kept:
            self.report(f"{KINDS[one]}: average precision {precision.get(KINDS[one], 0.0):.2f}")

    def _state_path(self) -> Path:
        return self.options.work / "sounds.pdparams"

    def _save(self) -> None:
        state: dict[str, Any] = {
            "step": self.steps,
            "network": self._network.state_dict(),
            "average": self._average.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }
        save_state(state, self._state_path())

    def _resume(self) -> None:
        state = load_state(self._state_path())
        self._network.set_state_dict(state["network"])
        self._average.set_state_dict(state["average"])
        self._optimizer.set_state_dict(state["optimizer"])
        self.steps = state["step"]


def forward(network: Any, features: Any) -> Any:
    """Returns vectors of shape (clips, 512), as the class does but with little dropout.

    The class drops up to half of the numbers, which a narrow network and a short run can't use.
    """
    x = network.bn0(features.transpose([0, 3, 2, 1])).transpose([0, 3, 2, 1])
    for block in range(1, 5):
        x = getattr(network, f"conv_block{block}")(x, pool_size=(2, 2), pool_type="avg")
    x = x.mean(axis=3)
    x = x.max(axis=2) + x.mean(axis=2)
    x = functional.dropout(x, _DROPPED, training=network.training)
    return functional.relu(network.fc1(x))


def embed(network: Any, waves: list[Wave]) -> tuple[Wave, Wave]:
    """Returns vectors and tags of clips at 32 kHz, shapes (clips, 512) and (clips, tags)."""
    vectors, scores = [], []
    shortest = 20 * FEATURES.hop_size
    with paddle.no_grad():
        for wave in waves:
            filled = np.pad(wave, (0, max(0, shortest - len(wave))))
            features = np.ascontiguousarray(mel_db(filled, FEATURES).T)[np.newaxis, np.newaxis]
            vector = forward(network, paddle.to_tensor(features))
            vectors.append(vector.numpy()[0])
            scores.append(functional.sigmoid(network.fc_audioset(vector)).numpy()[0])
    return np.stack(vectors), np.stack(scores)
