"""What listens on the other side: an OTLP collector, a webhook's receiver. They keep every byte that arrives."""

import gzip
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest


class HttpSink:
    """An HTTP server that says yes to everything. `packets`: each request as (path, headers and body as sent).
    `hooked`: set once one came to /hook."""

    def __init__(self) -> None:
        self.packets: list[tuple[str, bytes]] = []
        self.hooked = threading.Event()
        sink = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                sink.packets.append((self.path, str(self.headers).encode() + body))
                sink.bodies.append((self.path, body))
                if self.path == "/hook":
                    sink.hooked.set()
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_PUT = do_POST

            def log_message(self, *_: Any) -> None: ...

        self.bodies: list[tuple[str, bytes]] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def everything(self) -> bytes:
        return b"\n".join(packet for _, packet in self.packets)

    # As an OTLP collector

    def spans(self) -> list[Any]:
        found: list[Any] = []
        for path, body in self.bodies:
            if path == "/v1/traces":
                request: Any = ExportTraceServiceRequest.FromString(body)
                found += [s for r in request.resource_spans for scope in r.scope_spans for s in scope.spans]
        return sorted(found, key=lambda span: span.start_time_unix_nano)

    def points(self) -> list[tuple[str, dict[str, Any], Any]]:
        """(metric, labels, data point), of the last that was sent of each."""
        found: dict[tuple[str, str], tuple[str, dict[str, Any], Any]] = {}
        for path, body in self.bodies:
            if path == "/v1/metrics":
                request: Any = ExportMetricsServiceRequest.FromString(body)
                metrics = [m for r in request.resource_metrics for scope in r.scope_metrics for m in scope.metrics]
                for metric in metrics:
                    kind = metric.WhichOneof("data")
                    for point in getattr(metric, kind).data_points:
                        labels = attributes(point)
                        found[metric.name, repr(sorted(labels.items()))] = (metric.name, labels, point)
        return list(found.values())


def attributes(carrier: Any) -> dict[str, Any]:
    return {pair.key: _plain(pair.value) for pair in carrier.attributes}


def _plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [_plain(each) for each in value.array_value.values]
    return getattr(value, kind) if kind else None


@contextmanager
def http_sink() -> Iterator[HttpSink]:
    sink = HttpSink()
    try:
        yield sink
    finally:
        sink.close()
