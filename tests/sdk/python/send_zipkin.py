"""Sends some spans with the OpenTelemetry SDK's Zipkin exporter for Python, and prints what it sent, as Zipkin's JSON.

The exporter keeps its defaults; only the endpoint is ours. The exit status is 1 when it says that it failed.
"""

import argparse
import json
import sys

from opentelemetry import trace
from opentelemetry.exporter.zipkin.json import ZipkinExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, Status, StatusCode


def make_spans(service):
    """A trace of a server that calls a database, which fails, and sends a message."""
    provider = TracerProvider(resource=Resource({"service.name": service, "host.name": "node"}))
    # The exporter asks the global one who it is.
    trace.set_tracer_provider(provider)
    memory = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("sender", "1.0")
    with tracer.start_as_current_span("Receive", kind=SpanKind.SERVER, attributes={"http.status_code": 500}) as root:
        root.add_event("plain")
        root.add_event("detailed", {"size": 3})
        with tracer.start_as_current_span("Select", kind=SpanKind.CLIENT, attributes={"peer.service": "db"}) as call:
            call.set_status(Status(StatusCode.ERROR, "no rows"))
        with tracer.start_as_current_span("Publish", kind=SpanKind.PRODUCER, attributes={"list": ["a", "b"]}):
            pass
        with tracer.start_as_current_span("Compute") as local:
            local.set_status(Status(StatusCode.OK))
    return memory.get_finished_spans()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--endpoint", required=True)
    parser.add_argument("--service", required=True)
    arguments = parser.parse_args()
    spans = make_spans(arguments.service)
    exporter = ZipkinExporter(endpoint=arguments.endpoint)
    if exporter.export(spans) is not SpanExportResult.SUCCESS:
        sys.exit("the exporter says that it failed")
    print(json.dumps(json.loads(exporter.encoder.serialize(spans, exporter.local_node))))


if __name__ == "__main__":
    main()
