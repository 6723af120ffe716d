"""The training run: trains on batches, exports a checkpoint and measures it."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import paddle
from paddle.nn import functional

from embedding_service.network.features import log_mel
from tools.training.averaging import average_in, blend_in
from tools.training.baseline import Baseline
from tools.training.batches import FEATURES, BatchMaker, BatchPlan, batches_from
from tools.training.checkpoint import (
    export_checkpoint,
    load_state,
    load_weights,
    save_state,
)
from tools.training.corpus import Corpus, prepare_corpus, split_speakers
from tools.training.evaluation import Figures, cut, draw_examination, examine
from tools.training.network import EncoderShape, build_encoder, embed_batch
from tools.training.objective import (
    AngularMarginClassifier,
    Places,
    Turn,
    accuracy,
    cosines_to_places,
    margin_loss,
    soft_label_loss,
)
from tools.training.schedule import learning_rate_factor, margin_at
from tools.training.whitening import whiten

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from numpy.typing import NDArray
    from paddle import Tensor

    from tools.training.batches import Batch
    from tools.training.options import TrainingOptions
    from tools.training.teacher import Lesson

    Report = Callable[[str], None]

_WEIGHT_DECAY = 0.05
_GRADIENT_LIMIT = 5.0
_PULL = 20.0
"""Weight of the distance to the teacher's vectors beside the soft labels."""

_WHITENED_BY = 120
"""Batches whose embeddings tell how a run's result is whitened."""

_EXAMINED_SECONDS = 2.0
_EXAMINED_AT_ONCE = 16
_REPORT_SECONDS = 15.0
_EXAMINATIONS = 8


class ResumeError(Exception):
    """The state in the work folder does not belong to this run. The message says why."""


@dataclass
class _Progress:
    """The progress of the run."""

    step: int = 0
    seconds: float = 0.0
    loss: float = 0.0
    right: float = 0.0

    def share(self, options: TrainingOptions) -> float:
        """Returns the share of the run that is done, 0 to 1."""
        by_steps = self.step / options.steps if options.steps else 0.0
        by_time = self.seconds / (60.0 * options.minutes) if options.minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def count(self, seconds: float, loss: float, right: float) -> None:
        """Adds a step, and updates the running means of loss and accuracy."""
        weight = max(0.02, 1.0 / (self.step + 1))
        self.loss += weight * (loss - self.loss)
        self.right += weight * (right - self.right)
        self.step += 1
        self.seconds += seconds


@dataclass
class Training:
    """One run from its options to its checkpoint.

    Attributes:
        options: The options of the run.
        report: Called with each line of progress.
    """

    options: TrainingOptions
    report: Report
    _progress: _Progress = field(default_factory=_Progress)

    def run(self) -> Figures:
        """Trains, exports, and returns the figures of the examination.

        Raises:
            SpeechError: The folder of speech cannot be used.
            TeacherError: The teacher cannot be used.
            StartError: The checkpoint to begin with cannot be used.
            ResumeError: The state to resume from belongs to another run.
        """
        corpus = prepare_corpus(self.options.speech, self.options.work)
        # Paddle numbers its weights. They start again, so that a saved optimizer state fits them.
        with paddle.utils.unique_name.guard():
            return self._run(corpus)

    def _run(self, corpus: Corpus) -> Figures:
        self._set_up(corpus)
        if self.options.resume:
            self._resume()
        self._examination = draw_examination(
            corpus, self._held_out, _EXAMINED_SECONDS, self.options.sounds_per_family
        )
        self._report_baseline(corpus)
        self._train()
        self._save()
        self._keep_of_start()
        self._whiten()
        self._export()
        return self._examine()

    def _set_up(self, corpus: Corpus) -> None:
        options = self.options
        paddle.seed(options.seed)
        # The public flag of this name is read only while paddle is being imported.
        paddle.base.core.set_num_threads(options.threads)
        trained, self._held_out = split_speakers(corpus.speakers, options.held_out)
        self._plan = BatchPlan(
            seed=options.seed,
            work=options.work,
            speakers=trained,
            voices=options.voices,
            sounds_per_family=options.sounds_per_family,
            frames=options.frames,
            teacher=options.teacher,
        )
        maker = BatchMaker(self._plan)
        self._class_count = maker.class_count
        self._build()
        self._places: Places | None = None
        if options.start is not None and not options.resume:
            self._start_from(maker, options.start)
        weights = sum(math.prod(weight.shape) for weight in self._encoder.parameters())
        self.report(
            f"{len(trained)} speakers and {len(self._held_out)} held out, "
            f"{self._class_count} classes, {weights:,} parameters"
        )

    def _build(self) -> None:
        width = self.options.width
        self._shape = EncoderShape(channels=(width, width, width, width, 3 * width))
        self._encoder = build_encoder(self._shape)
        self._classifier = AngularMarginClassifier(self._shape.lin_neurons, self._class_count)
        self._optimizer = paddle.optimizer.AdamW(
            learning_rate=self.options.rate,
            parameters=[*self._encoder.parameters(), *self._classifier.parameters()],
            weight_decay=_WEIGHT_DECAY,
            grad_clip=paddle.nn.ClipGradByGlobalNorm(_GRADIENT_LIMIT),
        )
        self._average = build_encoder(self._shape)
        self._average.set_state_dict(self._encoder.state_dict())
        self._average.eval()

    def _start_from(self, maker: BatchMaker, folder: Path) -> None:
        """Loads the weights of a checkpoint, and takes its embeddings as centres of the classes."""
        load_weights(self._average, folder)
        self._encoder.set_state_dict(self._average.state_dict())
        with paddle.no_grad():
            vectors = [
                embed_batch(self._average, paddle.to_tensor(batch.features))
                for batch in maker.typical(_EXAMINED_AT_ONCE)
            ]
        centres = functional.normalize(paddle.concat(vectors), axis=1)
        if maker.lesson is not None:
            centres = self._taught(maker, maker.lesson, centres)
        self._classifier.begin_at(centres)

    def _taught(self, maker: BatchMaker, lesson: Lesson, centres: Tensor) -> Tensor:
        """Moves the centres of the voices to the teacher's vectors. The sounds keep theirs."""
        own = centres.numpy()
        vectors = np.stack([sum(map(lesson.of, voice)) for voice in maker.voices])
        self._places = Places.between(vectors, own)
        near = float((self._places.classes * own)[: len(vectors)].sum(axis=1).mean())
        self.report(f"cosine of the voices to the teacher's at the start: {near:.2f}")
        return _tensor(self._places.classes)

    def _keep_of_start(self) -> None:
        """Blends the first checkpoint of the run into its result (Wortsman et al. 2022)."""
        if self.options.start is not None and self.options.keep:
            first = build_encoder(self._shape)
            load_weights(first, self.options.start)
            blend_in(self._average, first, self.options.keep)

    def _whiten(self) -> None:
        """Whitens the result by its embeddings of the first batches."""
        if not self.options.whiten:
            return
        maker = BatchMaker(self._plan)
        with paddle.no_grad():
            rows = [
                embed_batch(self._average, paddle.to_tensor(maker.make(number).features)).numpy()
                for number in range(_WHITENED_BY)
            ]
        whiten(self._average, np.concatenate(rows), self.options.whiten)

    def _train(self) -> None:
        options, progress = self.options, self._progress
        saved = examined = reported = progress.seconds
        pause = (60.0 * options.minutes if options.minutes else 3600.0) / _EXAMINATIONS
        self._counted = time.monotonic()
        with batches_from(self._plan, progress.step, options.processes) as batches:
            while not self._is_over():
                self._step(batches)
                if progress.seconds - reported >= _REPORT_SECONDS:
                    reported = progress.seconds
                    self.report(self._line())
                if progress.seconds - saved >= 60.0 * options.save_minutes:
                    saved = progress.seconds
                    self._save()
                if progress.seconds - examined >= pause:
                    examined = progress.seconds
                    self.report(str(self._examine()))

    def _is_over(self) -> bool:
        pause = self.options.pause_after
        paused = pause is not None and self._progress.step >= pause
        return paused or self._progress.share(self.options) >= 1.0

    def _step(self, batches: Iterator[Batch]) -> None:
        batch = next(batches)
        share = self._progress.share(self.options)
        self._optimizer.set_lr(self.options.rate * learning_rate_factor(share))
        labels = paddle.to_tensor(batch.labels)
        embeddings = embed_batch(self._encoder, paddle.to_tensor(batch.features))
        loss, cosines = self._loss(embeddings, batch, labels, margin_at(share))
        loss.backward()
        self._optimizer.step()
        self._optimizer.clear_grad()
        right = accuracy(cosines.detach(), labels)
        # Counted from step to step, so that a run by the clock includes all other work.
        now = time.monotonic()
        self._progress.count(now - self._counted, float(loss), right)
        self._counted = now
        average_in(self._average, self._encoder, self._progress.step)

    def _loss(
        self, embeddings: Tensor, batch: Batch, labels: Tensor, margin: float
    ) -> tuple[Tensor, Tensor]:
        """Returns the loss, and the cosines of the clips to the classes."""
        if self._places is None:
            cosines = self._classifier(embeddings)
            return margin_loss(cosines, labels, margin), cosines
        places, vectors = _tensor(self._places.classes), batch.taught
        targets = _tensor(self._places.of_clips(batch.labels, vectors))
        cosines = cosines_to_places(embeddings, places)
        near = (functional.normalize(embeddings, axis=1) * targets).sum(axis=1)
        soft = soft_label_loss(cosines, places, targets)
        return soft + _PULL * (1.0 - near.mean()), cosines

    def _line(self) -> str:
        progress = self._progress
        share = progress.share(self.options)
        left = progress.seconds / share - progress.seconds
        return (
            f"{share:6.1%}  step {progress.step}  loss {progress.loss:.3f}  "
            f"right {progress.right:.1%}  {progress.step / progress.seconds:.2f} steps/s  "
            f"{left / 60.0:.0f} min left"
        )

    def _examine(self) -> Figures:
        return examine(self._embed, self._examination)

    def _report_baseline(self, corpus: Corpus) -> None:
        baseline = Baseline.fit(cut(corpus, self._plan.speakers, _EXAMINED_SECONDS).clips)
        self.report(f"baseline: {examine(baseline.embed, self._examination)}")

    def _embed(self, clips: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
        """Embeds clips of one length, shape (clips, dimensions)."""
        rows = []
        with paddle.no_grad():
            for start in range(0, len(clips), _EXAMINED_AT_ONCE):
                part = clips[start : start + _EXAMINED_AT_ONCE]
                features = np.stack([log_mel(clip, FEATURES) for clip in part])
                rows.append(embed_batch(self._average, paddle.to_tensor(features)).numpy())
        vectors = np.concatenate(rows)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))

    def _identity(self) -> dict[str, Any]:
        """Returns the values that a state and the run that resumes it must share."""
        options = self.options
        return {
            "seed": options.seed,
            "width": options.width,
            "frames": options.frames,
            "voices": options.voices,
            "teacher": None if options.teacher is None else options.teacher.name,
            "sounds per family": options.sounds_per_family,
            "speakers": list(self._plan.speakers),
        }

    def _state_path(self) -> Path:
        return self.options.work / "state.pdparams"

    def _save(self) -> None:
        progress = self._progress
        save_state(
            {
                "identity": self._identity(),
                "progress": vars(progress).copy(),
                "encoder": self._encoder.state_dict(),
                "average": self._average.state_dict(),
                "classifier": self._classifier.state_dict(),
                "optimizer": self._optimizer.state_dict(),
                "places": None if self._places is None else _saved(self._places),
            },
            self._state_path(),
        )

    def _resume(self) -> None:
        path = self._state_path()
        if not path.is_file():
            message = f"there is no state in {path.parent}; start without --resume"
            raise ResumeError(message)
        state = load_state(path)
        for key, value in self._identity().items():
            if state["identity"][key] != value:
                message = f"the state in {path.parent} was trained with another {key}"
                raise ResumeError(message)
        self._encoder.set_state_dict(state["encoder"])
        self._average.set_state_dict(state["average"])
        self._classifier.set_state_dict(state["classifier"])
        self._optimizer.set_state_dict(state["optimizer"])
        self._places = None if state["places"] is None else _read(state["places"])
        self._progress = _Progress(**state["progress"])
        self.report(f"resumed at step {self._progress.step}")

    def _export(self) -> None:
        if self.options.export is not None:
            export_checkpoint(self._average, self._shape, self._class_count, self.options.export)


def _tensor(rows: NDArray[np.floating]) -> Tensor:
    return paddle.to_tensor(rows.astype(np.float32))


def _saved(places: Places) -> list[Tensor]:
    return [_tensor(each) for each in (places.classes, *places.turn)]


def _read(saved: list[Tensor]) -> Places:
    classes, *turn = (each.numpy() for each in saved)
    return Places(classes, Turn(*turn))
