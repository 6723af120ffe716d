"""`pip install audiosearch[stack]`: everything on one machine, without a checkout."""

from __future__ import annotations

import urllib.request

from audiosearch_client import Client

from tests.installs.conftest import Environment


def test_the_code_that_serves_is_the_wheels(whole: Environment, target: str) -> None:
    """Not the checkout's, or the tests of this folder would prove nothing."""
    script = "import gateway, audiosearch_web; print(gateway.__file__, audiosearch_web.__file__)"
    done = whole.run("-c", script)
    assert done.stdout.count(str(whole.folder)) == 2
    assert target


def test_the_page_opens(served: dict[str, str]) -> None:
    """With its waveforms. The model runs without Paddle, and nothing was downloaded."""
    with urllib.request.urlopen(served["web"], timeout=30) as answer:  # noqa: S310  our own
        assert "<title>Audiosearch" in answer.read().decode()
    script = f"{served['web']}assets/wavesurfer.min.js"
    with urllib.request.urlopen(script, timeout=30) as answer:  # noqa: S310  our own
        assert answer.status == 200
    with Client(served["target"]) as client:
        assert client.models()[0].purpose == "voices"


def test_serve_says_what_is_missing(whole: Environment) -> None:
    """Before it starts anything."""
    script = (
        "import sys; from importlib.metadata import distribution; from audiosearch_cli import main;"
        "sys.modules['wavesurfer'] = None; sys.argv = ['audiosearch', 'serve']; main()"
    )
    done = whole.run("-c", script)
    assert done.returncode == 1
    assert "wavesurfer not installed: pip install 'audiosearch[stack]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (whole.folder / "data").exists()
