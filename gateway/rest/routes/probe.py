"""/healthz, for probes that can't call gRPC's health service."""

from __future__ import annotations

import json

from fastapi import APIRouter, Response

from gateway.rest.http.boundary import PROBE
from gateway.rest.parts import Parts


def router(parts: Parts) -> APIRouter:
    """The route of probes; it needs no key."""
    api = APIRouter(tags=["health"])

    @api.get(PROBE, include_in_schema=False)
    async def healthz() -> Response:
        """Answers 200 if calls can be answered, otherwise 503 without a reason."""
        serving = parts.health.why_not is None and not parts.draining.is_set()
        body = json.dumps({"status": "SERVING" if serving else "NOT_SERVING"})
        headers = {"cache-control": "no-store"}
        return Response(body, 200 if serving else 503, headers, "application/json")

    return api
