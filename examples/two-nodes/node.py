"""One node of the example: runs do_something once for every number it is given.

    python node.py nodeA 1 0    # divides by 1, then by 0, which fails
    python node.py nodeB 2
"""

import sys

from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult

tracer = trace.get_tracer("two-nodes")


@tracer.start_as_current_span("do_something")  # times the function, and reports what it raises
def do_something(divisor):
    trace.get_current_span().set_attribute("divisor", divisor)
    return 1 / divisor


class Exporter(OTLPSpanExporter):
    """Remembers that an export failed: the SDK logs it, but `force_flush` does not tell."""

    failed = False

    def export(self, spans):
        result = super().export(spans)
        self.failed |= result is not SpanExportResult.SUCCESS
        return result


def main(node, *divisors):
    exporter = Exporter()  # to OTEL_EXPORTER_OTLP_ENDPOINT, else http://localhost:4317
    resource = Resource.create({"service.name": "two-nodes", "service.instance.id": node})
    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)

    for divisor in divisors:
        try:
            print(f"{node}: do_something({divisor}) = {do_something(int(divisor))}")
        except ZeroDivisionError as error:
            print(f"{node}: do_something({divisor}) failed: {error}")

    provider.shutdown()  # sends what is still queued
    return 1 if exporter.failed else 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
