"""Sends a known set of spans with the OpenTelemetry SDK for Python, and prints what it sent.

The SDK keeps its defaults; only the endpoint and, on request, the compression are ours. What was sent is printed as
one JSON object: how many spans, the trace ids, and the spans themselves as OTLP/JSON. The exit status is 1 when the
SDK says that a batch was not accepted.
"""

import argparse
import base64
import json
import sys

import grpc
from google.protobuf.json_format import MessageToDict
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression as HttpCompression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Link, SpanKind, Status, StatusCode

# The SDK's queue drops spans when more than 2,048 wait; so many traces of five spans are made between two flushes.
TRACES_PER_FLUSH_MAX = 200

# A value of every type that the SDK takes, and the edges of each.
ATTRIBUTES = {
    "text": "Grüße, 世界 🌍",
    "text.empty": "",
    "truth": True,
    "untruth": False,
    "int": 42,
    "int.min": -(2**63),
    "int.max": 2**63 - 1,
    "double": 0.1,
    "double.whole": 1.0,
    "double.tiny": 5e-324,
    "bytes": b"\x00\x01\xfe\xff",
    "null": None,
    "texts": ["a", "", "c"],
    "truths": [True, False],
    "ints": [1, -2, 2**53 + 1],
    "doubles": [1.0, 2.5],
    "mixed": ["a", 1, 1.0, None, [True]],
    "map": {"inner": {"list": [1, "two"]}, "empty": {}},
    "list.empty": [],
}


class Checked(SpanExporter):
    """Remembers that an export failed, since neither the batch processor nor `force_flush` tells."""

    def __init__(self, exporter):
        self.exporter = exporter
        self.failed = False

    def export(self, spans):
        result = self.exporter.export(spans)
        self.failed |= result is not SpanExportResult.SUCCESS
        return result

    def shutdown(self):
        self.exporter.shutdown()


def make_exporter(protocol, endpoint, gzip):
    if protocol == "grpc":
        return GrpcExporter(endpoint=endpoint, compression=grpc.Compression.Gzip if gzip else None)
    if protocol == "http/protobuf":
        compression = HttpCompression.Gzip if gzip else None
        return HttpExporter(endpoint=endpoint.rstrip("/") + "/v1/traces", compression=compression)
    sys.exit(f"send.py: the SDK for Python has no released exporter for {protocol}")


def make_trace(tracer, number, previous):
    """One trace of five spans, one of each kind; returns the context of its root."""
    links = [Link(previous, {"link.number": number})] if previous else []
    with tracer.start_as_current_span(
        f"receive {number}", kind=SpanKind.SERVER, attributes={"number": number, **ATTRIBUTES}, links=links
    ) as root:
        root.add_event("received", {"size_bytes": 17, "texts": ["a", "b"]})
        root.add_event("received")
        try:
            with tracer.start_as_current_span("compute"):
                raise ValueError(f"number {number} is unlucky")
        except ValueError:
            pass
        with tracer.start_as_current_span("call", kind=SpanKind.CLIENT) as call:
            call.set_status(Status(StatusCode.OK))
        with tracer.start_as_current_span("publish", kind=SpanKind.PRODUCER) as publish:
            pass
        related = [Link(publish.get_span_context()), Link(root.get_span_context(), {"why": "root"})]
        with tracer.start_as_current_span("consume", kind=SpanKind.CONSUMER, links=related):
            pass
    return root.get_span_context()


def as_otlp_json(spans):
    """The spans as OTLP/JSON: protobuf's JSON, but with ids in hex and enums as numbers."""
    request = MessageToDict(encode_spans(spans), use_integers_for_enums=True)
    for resource_spans in request["resourceSpans"]:
        for scope_spans in resource_spans["scopeSpans"]:
            for span in scope_spans["spans"]:
                for bearer in [span, *span.get("links", [])]:
                    for key in {"traceId", "spanId", "parentSpanId"} & bearer.keys():
                        bearer[key] = base64.b64decode(bearer[key]).hex()
    return request


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--protocol", required=True, choices=["grpc", "http/protobuf", "http/json"])
    parser.add_argument("--endpoint", required=True, help="for instance http://localhost:4317")
    parser.add_argument("--service", required=True, help="service.name; service.instance.id is this with '-1'")
    parser.add_argument("--count", type=int, required=True, help="how many traces of five spans")
    parser.add_argument("--gzip", action="store_true")
    arguments = parser.parse_args()

    exporter = Checked(make_exporter(arguments.protocol, arguments.endpoint, arguments.gzip))
    sent = InMemorySpanExporter()
    resource = {"service.name": arguments.service, "service.instance.id": f"{arguments.service}-1"}
    provider = TracerProvider(resource=Resource.create(resource))
    provider.add_span_processor(BatchSpanProcessor(exporter))
    provider.add_span_processor(SimpleSpanProcessor(sent))
    tracer = provider.get_tracer("send", "1.0", attributes={"scope.attribute": "yes"})

    previous = None
    for number in range(arguments.count):
        previous = make_trace(tracer, number, previous)
        if (number + 1) % TRACES_PER_FLUSH_MAX == 0:
            provider.force_flush()
    provider.force_flush()

    spans = sent.get_finished_spans()
    trace_ids = sorted({trace.format_trace_id(span.context.trace_id) for span in spans})
    request = as_otlp_json(spans)
    json.dump({"spans": len(spans), "traceIds": trace_ids, "request": request}, sys.stdout)
    provider.shutdown()
    sys.exit(1 if exporter.failed else 0)


if __name__ == "__main__":
    main()
