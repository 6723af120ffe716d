"""`pip install audiosearch[stack]`: everything on one machine, without a checkout."""

from __future__ import annotations

import pytest

from deploy import parts
from tests.installs.conftest import Environment


def test_the_code_that_serves_is_the_wheels(whole: Environment, target: str) -> None:
    """Not the checkout's, or the tests of this folder would prove nothing."""
    script = "import gateway, audiosearch_web; print(gateway.__file__, audiosearch_web.__file__)"
    done = whole.run("-c", script)
    assert done.stdout.count(str(whole.folder)) == 2
    assert target


@pytest.mark.parametrize("package", ["wavesurfer", "paddlespeech"])
def test_serve_says_which_package_comes_by_itself(whole: Environment, package: str) -> None:
    """Before it starts anything."""
    script = (
        "import sys; from importlib.metadata import distribution; from audiosearch_cli import main;"
        f"sys.modules[{package!r}] = None; sys.argv = ['audiosearch', 'serve']; main()"
    )
    done = whole.run("-c", script)
    assert done.returncode == 1
    assert f"pip install --no-deps {package}=={parts.ALONE[package]}" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (whole.folder / "data").exists()
