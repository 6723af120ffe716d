"""The REST application: all routes, with the layers that every request passes through."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.convertors import StringConvertor, register_url_convertor
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route

from gateway.rest.demo import sounds, voices
from gateway.rest.http.boundary import PLACE, Boundary
from gateway.rest.http.headers import SecurityHeaders
from gateway.rest.http.origins import Origins
from gateway.rest.messages import openapi
from gateway.rest.parts import Parts
from gateway.rest.routes import (
    audio,
    calibration,
    clips,
    docs,
    duplicates,
    libraries,
    map,  # noqa: A004  the map of a library; the builtin is not used here
    models,
    operations,
    probe,
    queries,
    search,
    speakers,
    status,
    web,
)
from gateway.settings import GatewaySettings, origins
from serving.caller import caller
from serving.errors import Reason, ServiceError
from serving.telemetry import REQUEST_ID_KEY

_RESOURCES = (
    *(libraries, search, queries, audio, clips, speakers, calibration, map, duplicates),
    *(operations, models, status, sounds, voices),
)
_MAY_SEND = ("authorization", "content-type", "if-none-match", "if-range", "range", "x-api-key")
_MAY_READ = ("accept-ranges", "content-disposition", "content-range", "etag", "retry-after")


class _Id(StringConvertor):
    """The last part of a name, without a verb behind it: `{speaker:id}:enroll`."""

    regex = "[^/:]+"


def build(parts: Parts) -> FastAPI:
    """The application."""
    register_url_convertor("id", _Id())
    app = FastAPI(
        title="Audiosearch",
        version="v1",
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=openapi.operation_id,
        middleware=_middleware(parts.settings),
    )
    app.state.max_audio_bytes = parts.settings.max_audio_bytes
    others = (probe.router(parts), docs.router(), web.router(), openapi.router(app, parts))
    resources = [resource.router(parts) for resource in _RESOURCES]
    for router in resources:
        app.include_router(router, dependencies=[Depends(_caller(parts))])
    for router in others:
        app.include_router(router)
    routes = [route for router in (*resources, *others) for route in router.routes]
    app.exception_handler(HTTPException)(_no_route([r for r in routes if isinstance(r, Route)]))
    app.exception_handler(RequestValidationError)(_invalid)
    return app


def _caller(parts: Parts) -> Callable[[Request], Awaitable[None]]:
    """A dependency that rejects a request without a key before any of its body is read."""

    async def identify(request: Request) -> None:
        parts.identify(request)
        request.scope["state"][PLACE].take(caller.get())

    return identify


def _middleware(settings: GatewaySettings) -> list[Middleware]:
    """The layers, the outermost first, so that failures have security and CORS headers too."""
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


def _no_route(routes: Sequence[Route]) -> Callable[[Request, Exception], Awaitable[None]]:
    """A handler that raises the error for an unknown path, or a method that a path lacks."""

    async def refuse(request: Request, error: Exception) -> None:
        found = [each for each in routes if each.path_regex.match(request.url.path)]
        methods = {method for each in found for method in each.methods or ()}
        allowed = ", ".join(sorted(methods | {"HEAD"} if "GET" in methods else methods))
        if allowed:
            message = f"{request.method} is not for this path; {allowed} would be"
            raise ServiceError(Reason.METHOD_NOT_ALLOWED, message, {"allowed": allowed}) from error
        raise ServiceError(
            Reason.ROUTE_NOT_FOUND, "there is nothing at this path; /docs lists what there is"
        ) from error

    return refuse


async def _invalid(_request: Request, error: Exception) -> None:
    raise ServiceError(Reason.FIELD_INVALID, f"the request can't be read: {error}") from error
