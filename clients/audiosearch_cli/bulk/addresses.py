"""The services that a command calls as a gateway does."""

from __future__ import annotations

from typing import Annotated

import typer

CATALOG, INDEX, EMBEDDING = "localhost:50053", "localhost:50052", "localhost:50051"

CatalogAddress = Annotated[
    str,
    typer.Option(
        "--catalog",
        envvar="AUDIOSEARCH_CATALOG_TARGET",
        help="Address of the catalog service.",
    ),
]
IndexAddress = Annotated[
    str,
    typer.Option(
        "--index", envvar="AUDIOSEARCH_INDEX_TARGET", help="Address of the index service."
    ),
]
EmbeddingAddress = Annotated[
    str,
    typer.Option(
        "--embedding",
        envvar="AUDIOSEARCH_EMBEDDING_TARGET",
        help="Address of the embedding service, which is asked for a library that is missing or "
        "migrated.",
    ),
]
