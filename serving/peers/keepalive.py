"""Options of gRPC that find connections to programs and machines that have gone silent.

A side that sends nothing for a while is asked for a sign of life. Without one the connection is
given up, and its calls fail with UNAVAILABLE.
"""

from __future__ import annotations

SHORTEST = 5.0
"""Seconds between two questions that servers permit."""


def of_channel(seconds: float, patience: float) -> list[tuple[str, int]]:
    """The options of a channel.

    Args:
        seconds: silence after which the server is asked; at least SHORTEST.
        patience: longest wait for its sign of life.
    """
    return [
        ("grpc.keepalive_time_ms", round(seconds * 1000)),
        ("grpc.keepalive_timeout_ms", round(patience * 1000)),
        ("grpc.http2.max_pings_without_data", 0),  # a long call is quiet for minutes
    ]


# By default a server breaks off with who asks more often than every five minutes.
OF_SERVER = [
    ("grpc.http2.min_ping_interval_without_data_ms", round(SHORTEST * 1000) - 500),
    ("grpc.keepalive_permit_without_calls", 1),
    # On a slow line the answer to a server's own ping waits behind megabytes of audio. A channel
    # keeps gRPC's 60 s, without which it does not notice a server that hangs.
    ("grpc.http2.ping_timeout_ms", 600_000),
]
"""The options of a server: it permits those of `of_channel`."""
