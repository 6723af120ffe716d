"""Puts the routes together, and around them what every request passes."""

from __future__ import annotations

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware

from gateway.rest import audio, clips, docs, libraries, models, openapi, operations, probe, search
from gateway.rest.boundary import Boundary
from gateway.rest.headers import SecurityHeaders
from gateway.rest.origins import Origins
from gateway.rest.parts import Parts, credentials
from gateway.settings import GatewaySettings, origins
from serving.errors import Reason, ServiceError
from serving.telemetry import REQUEST_ID_KEY

_RESOURCES = (libraries, search, audio, clips, operations, models)
_MAY_SEND = ("authorization", "content-type", "if-none-match", "if-range", "range", "x-api-key")
_MAY_READ = ("accept-ranges", "content-disposition", "content-range", "etag", "retry-after")


def build(parts: Parts) -> FastAPI:
    """The application."""

    async def known(request: Request) -> None:
        parts.guard.identify(credentials(request))

    app = FastAPI(
        title="Audiosearch",
        version="v1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        middleware=_middleware(parts.settings),
        exception_handlers={HTTPException: _no_route, RequestValidationError: _invalid},
    )
    for resource in _RESOURCES:
        app.include_router(resource.router(parts), dependencies=[Depends(known)])
    app.include_router(probe.router(parts))
    app.include_router(docs.router())
    app.include_router(openapi.router(app, keys=parts.settings.keyring is not None))
    return app


def _middleware(settings: GatewaySettings) -> list[Middleware]:
    """The outermost first: failures, too, have the headers of security and CORS."""
    listed = origins(settings.cors_origins)
    cors = Middleware(
        CORSMiddleware,
        allow_origins=listed,
        allow_methods=["GET", "POST", "PATCH", "DELETE"],
        allow_headers=[*_MAY_SEND, REQUEST_ID_KEY],
        expose_headers=[*_MAY_READ, REQUEST_ID_KEY],
    )
    host = settings.host if settings.trusts_this_machine else None
    return [
        Middleware(SecurityHeaders),
        *([cors] if listed else []),
        Middleware(
            Boundary,
            max_call_seconds=settings.max_call_seconds,
            max_concurrent_calls=settings.max_concurrent_calls,
        ),
        Middleware(Origins, listed=listed, local_host=host),
    ]


async def _no_route(request: Request, error: Exception) -> None:
    """Raises what the boundary answers with."""
    if isinstance(error, HTTPException) and error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        message = f"{request.method} is not for this path; {allowed} would be"
        raise ServiceError(Reason.METHOD_NOT_ALLOWED, message, {"allowed": allowed}) from error
    raise ServiceError(
        Reason.ROUTE_NOT_FOUND, "there is nothing at this path; /docs lists what there is"
    ) from error


async def _invalid(_request: Request, error: Exception) -> None:
    raise ServiceError(Reason.FIELD_INVALID, f"the request can't be read: {error}") from error
