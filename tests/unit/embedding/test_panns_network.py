"""Shapes of PANNs: PaddleSpeech's own classes, and narrower networks with their forward pass."""

from __future__ import annotations

from typing import Any

import paddle
import pytest

from embedding_service.network.families.panns.network import Shape, build


@pytest.mark.parametrize(("kind", "dimension"), [("CNN6", 512), ("CNN10", 512)])
def test_full_width_is_paddlespeechs_class(kind: str, dimension: int) -> None:
    """Nothing stands between its forward pass and the caller."""
    made = build(Shape.from_config({"class": kind}))
    assert type(made).__module__ == "paddlespeech.cls.models.panns.panns"
    assert (type(made).__name__, made.emb_size) == (kind, dimension)


@pytest.mark.parametrize("kind", ["CNN14", "CNN10", "CNN6"])
def test_narrower_network_has_paddlespeechs_forward_pass(kind: str) -> None:
    """Its tags are the sigmoid of the last layer of its embedding, as the class computes both."""
    shape = Shape.from_config({"class": kind, "width": 0.125, "dimension": 24}, tags=7)
    made: Any = build(shape)
    made.eval()
    assert type(made).forward.__module__ == "paddlespeech.cls.models.panns.panns"
    features = paddle.randn([2, 1, shape.frames_a_step, 64])
    with paddle.no_grad():
        vectors = made(features)
        made.extract_embedding = False
        tags = made(features)
        assert paddle.allclose(paddle.nn.functional.sigmoid(made.fc_audioset(vectors)), tags)
    assert list(vectors.shape) == [2, 24]
    assert list(tags.shape) == [2, 7]
    assert float(vectors.min()) >= 0


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({}, "class is missing"),
        ({"class": "CNN99"}, "class must be"),
        ({"class": "CNN6", "width": 2}, "width must be"),
        ({"class": "CNN6", "width": 0.3}, "multiple of 1/64"),
        ({"class": "CNN6", "width": True}, "width must be"),
        ({"class": "CNN6", "dimension": 0}, "dimension must be"),
        ({"class": "CNN6", "depth": 3}, "unknown: depth"),
    ],
)
def test_shapes_that_cannot_be(config: dict[str, Any], named: str) -> None:
    """The message names the key."""
    with pytest.raises(ValueError, match=named):
        Shape.from_config(config)
