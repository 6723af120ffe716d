"""The encoder that is trained, with a forward pass that is fast on a processor."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import paddle
from paddle.nn import functional
from paddlespeech.vector.models.ecapa_tdnn import EcapaTdnn

if TYPE_CHECKING:
    from paddle import Tensor
    from paddle.nn import Layer

_VARIANCE_FLOOR = 1e-8
"""Lowest variance: it keeps the gradient of the square root finite for a constant channel."""


@dataclass(frozen=True)
class EncoderShape:
    """The keyword arguments of PaddleSpeech's EcapaTdnn, as `conf/model.yaml` holds them.

    Attributes:
        input_size: Mel bands a frame.
        channels: Width of each layer; the last is the sum of the three before it.
        kernel_sizes: Frames a kernel covers, for each layer.
        dilations: Frames between a kernel's taps, for each layer.
        attention_channels: Width of the pooling's attention.
        lin_neurons: Dimensions of the embedding.
    """

    input_size: int = 80
    channels: tuple[int, ...] = (256, 256, 256, 256, 768)
    kernel_sizes: tuple[int, ...] = (5, 3, 3, 3, 1)
    dilations: tuple[int, ...] = (1, 2, 3, 4, 1)
    attention_channels: int = 64
    lin_neurons: int = 192

    def as_config(self) -> dict[str, Any]:
        """Returns the shape as plain lists and numbers, ready for YAML."""
        return {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in asdict(self).items()
        }


def build_encoder(shape: EncoderShape) -> Layer:
    """Returns PaddleSpeech's EcapaTdnn of this shape with fresh weights."""
    return EcapaTdnn(**shape.as_config())


def embed_batch(encoder: Layer, features: Tensor) -> Tensor:
    """Runs the encoder on clips of one length.

    Computes the same as `encoder(features)`, about four times faster. PaddleSpeech's class pads
    layers that need no padding, adds biases and squares in slow ways, and masks the padding of
    clips, which clips of equal length do not have. Here the clips of a batch are the rows of one
    image, shape (1, channels, clips, frames), so that each layer is one matrix product.

    Args:
        encoder: An EcapaTdnn, in training or evaluation mode.
        features: Log-mel features, shape (clips, bands, frames).

    Returns:
        Embeddings, not normalised, shape (clips, dimensions).
    """
    outputs = [_tdnn(encoder.blocks[0], features.transpose([1, 0, 2]).unsqueeze(0))]
    for block in list(encoder.blocks)[1:]:
        outputs.append(_se_res2net(block, outputs[-1]))
    frames = _tdnn(encoder.mfa, paddle.concat(outputs[1:], axis=1))
    pooled = _normalise(encoder.asp_bn, _attentive_statistics(encoder.asp, frames))
    return _convolve(encoder.fc, pooled).squeeze([0, 3]).transpose([1, 0])


def _convolve(layer: Layer, frames: Tensor) -> Tensor:
    """Convolves along time with reflected edges. The number of frames stays the same."""
    conv = layer.conv
    edge = layer.dilation * (layer.kernel_size - 1) // 2
    if edge:
        frames = functional.pad(frames, [edge, edge, 0, 0], mode="reflect", data_format="NCHW")
    return _linear(frames, conv.weight, layer.dilation) + _as_image(conv.bias)


def _linear(frames: Tensor, weight: Tensor, dilation: int = 1) -> Tensor:
    return functional.conv2d(frames, weight.unsqueeze(2), dilation=[1, dilation])


def _as_image(bias: Tensor) -> Tensor:
    return bias.reshape([1, -1, 1, 1])


def _normalise(layer: Layer, frames: Tensor) -> Tensor:
    """Applies a batch normalisation over clips and frames and updates its running statistics."""
    norm = layer.norm
    return functional.batch_norm(
        frames,
        norm._mean,  # noqa: SLF001 - Paddle has no public name for them
        norm._variance,  # noqa: SLF001
        norm.weight,
        norm.bias,
        training=norm.training,
        momentum=norm._momentum,  # noqa: SLF001
        epsilon=norm._epsilon,  # noqa: SLF001
    )


def _tdnn(block: Layer, frames: Tensor) -> Tensor:
    return _normalise(block.norm, functional.relu(_convolve(block.conv, frames)))


def _se_res2net(block: Layer, frames: Tensor) -> Tensor:
    residual = frames if block.shortcut is None else _convolve(block.shortcut, frames)
    hidden = _tdnn(block.tdnn1, frames)
    hidden = _tdnn(block.tdnn2, _res2net(block.res2net_block, hidden))
    return _squeeze_excite(block.se_block, hidden) + residual


def _res2net(block: Layer, frames: Tensor) -> Tensor:
    first, *others = paddle.chunk(frames, block.scale, axis=1)
    outputs = [first]
    for index, part in enumerate(others):
        joined = part + outputs[-1] if index else part
        outputs.append(_tdnn(block.blocks[index], joined))
    return paddle.concat(outputs, axis=1)


def _squeeze_excite(block: Layer, frames: Tensor) -> Tensor:
    squeezed = functional.relu(_convolve(block.conv1, frames.mean(axis=3, keepdim=True)))
    return frames * functional.sigmoid(_convolve(block.conv2, squeezed))


def _attentive_statistics(pooling: Layer, frames: Tensor) -> Tensor:
    """Returns weighted mean and spread over time, shape (1, 2 * channels, clips, 1)."""
    squares = paddle.square(frames)
    context = _mean_and_spread(
        frames.mean(axis=3, keepdim=True), squares.mean(axis=3, keepdim=True)
    )
    hidden = _attention_input(pooling.tdnn, frames, context)
    weights = functional.softmax(_convolve(pooling.conv, paddle.tanh(hidden)), axis=3)
    return _mean_and_spread(
        (weights * frames).sum(axis=3, keepdim=True),
        (weights * squares).sum(axis=3, keepdim=True),
    )


def _mean_and_spread(mean: Tensor, mean_square: Tensor) -> Tensor:
    variance = (mean_square - paddle.square(mean)).clip(_VARIANCE_FLOOR)
    return paddle.concat([mean, paddle.sqrt(variance)], axis=1)


def _attention_input(block: Layer, frames: Tensor, context: Tensor) -> Tensor:
    """Applies the attention's first layer to every frame joined with the clip's statistics.

    The statistics are equal for all frames, so their part is computed once for each clip.
    """
    channels = frames.shape[1]
    conv = block.conv.conv
    changing = _linear(frames, conv.weight[:, :channels])
    constant = _linear(context, conv.weight[:, channels:]) + _as_image(conv.bias)
    return _normalise(block.norm, functional.relu(changing + constant))
