"""What is in the wheel, and what is not."""

from __future__ import annotations

from tests.conftest import REPOSITORY

PACKAGES = {
    *(
        "audiosearch",
        "audiosearch_bulk",
        "audiosearch_cli",
        "audiosearch_client",
        "audiosearch_evaluation",
    ),
    *("audiosearch_web", "catalog_service", "deploy", "embedding_service", "gateway"),
    *("index_service", "scoring", "serving"),
}


def test_the_product_and_nothing_else(content: set[str]) -> None:
    """No tools, no tests."""
    top = {name.partition("/")[0] for name in content if ".dist-info/" not in name}
    assert top == PACKAGES


def test_the_web_client_is_whole(content: set[str]) -> None:
    """Every file of it that the checkout has."""
    web = REPOSITORY / "clients" / "audiosearch_web"
    files = {
        path.relative_to(web.parent).as_posix()
        for path in web.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert len(files) > 30
    assert files <= content


def test_what_services_read_beside_their_code(content: set[str]) -> None:
    """Contracts and their stubs, migrations, the bundled models."""
    assert "audiosearch/catalog/v1/clip.proto" in content
    assert "audiosearch/catalog/v1/clip_pb2.py" in content
    assert "embedding_service/bundled/voices/model/model.pdparams" in content
    for file in ("conf/model.yaml", "conf/labels.txt", "model/model.pdparams"):
        assert f"embedding_service/bundled/sounds/{file}" in content
    checked = [name for name in content if "/bundled/checked/" in name]
    assert sum("/fitting/" in name for name in checked) == 2
    assert sum(name.endswith(".npz") for name in checked) == 2
    assert any(name.startswith("catalog_service/") and "/versions/" in name for name in content)
