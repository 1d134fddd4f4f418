// Sends a known set of spans with the OpenTelemetry SDK for JavaScript, and prints what it sent: the counterpart of
// ../python/send.py, with the same flags, the same output and the same exit status.

import { createRequire } from 'node:module';
import { parseArgs } from 'node:util';

// `require` also looks in NODE_PATH, which `import` does not: the packages live outside of the source tree.
const require = createRequire(import.meta.url);
const { ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } = require('@opentelemetry/api');
const { JsonTraceSerializer } = require('@opentelemetry/otlp-transformer');
const { defaultResource, resourceFromAttributes } = require('@opentelemetry/resources');
const sdk = require('@opentelemetry/sdk-trace-node');

// The SDK's queue drops spans when more than 2,048 wait; so many traces of five spans are made between two flushes.
const TRACES_PER_FLUSH_MAX = 200;

const EXPORTERS = {
  grpc: { package: '@opentelemetry/exporter-trace-otlp-grpc', path: '' },
  'http/protobuf': { package: '@opentelemetry/exporter-trace-otlp-proto', path: '/v1/traces' },
  'http/json': { package: '@opentelemetry/exporter-trace-otlp-http', path: '/v1/traces' },
};

// A value of every type that the SDK takes, and the edges of each. A whole number is an int to this SDK.
const ATTRIBUTES = {
  text: 'Grüße, 世界 🌍',
  'text.empty': '',
  truth: true,
  untruth: false,
  int: 42,
  'int.min': Number.MIN_SAFE_INTEGER,
  'int.max': Number.MAX_SAFE_INTEGER,
  double: 0.1,
  'double.tiny': 5e-324,
  texts: ['a', '', 'c'],
  'texts.null': ['a', null],
  truths: [true, false],
  numbers: [1, -2.5],
  'list.empty': [],
};

// Remembers that an export failed: the batch processor tells of the last batch only.
class Checked {
  failed = false;

  constructor(exporter) {
    this.exporter = exporter;
  }

  export(spans, done) {
    this.exporter.export(spans, (result) => {
      if (result.code !== 0) {
        this.failed = true;
        console.error(result.error ?? 'export failed');
      }
      done(result);
    });
  }

  forceFlush() {
    return this.exporter.forceFlush?.();
  }

  shutdown() {
    return this.exporter.shutdown();
  }
}

function makeExporter({ protocol, endpoint, gzip }) {
  const exporter = EXPORTERS[protocol];
  const { OTLPTraceExporter } = require(exporter.package);
  const compression = gzip ? { compression: 'gzip' } : {};
  return new OTLPTraceExporter({ url: endpoint.replace(/\/$/, '') + exporter.path, ...compression });
}

// One trace of five spans, one of each kind; returns the context of its root.
function makeTrace(tracer, number, previous) {
  const links = previous ? [{ context: previous, attributes: { 'link.number': number } }] : [];
  const attributes = { number, ...ATTRIBUTES };
  const root = tracer.startSpan(`receive ${number}`, { kind: SpanKind.SERVER, attributes, links }, ROOT_CONTEXT);
  const parent = trace.setSpan(ROOT_CONTEXT, root);
  root.addEvent('received', { size_bytes: 17, texts: ['a', 'b'] });
  root.addEvent('received');

  const compute = tracer.startSpan('compute', {}, parent);
  const message = `number ${number} is unlucky`;
  compute.recordException(new RangeError(message));
  compute.setStatus({ code: SpanStatusCode.ERROR, message });
  compute.end();

  const call = tracer.startSpan('call', { kind: SpanKind.CLIENT }, parent);
  call.setStatus({ code: SpanStatusCode.OK });
  call.end();

  const publish = tracer.startSpan('publish', { kind: SpanKind.PRODUCER }, parent);
  publish.end();
  const related = [{ context: publish.spanContext() }, { context: root.spanContext(), attributes: { why: 'root' } }];
  tracer.startSpan('consume', { kind: SpanKind.CONSUMER, links: related }, parent).end();

  root.end();
  return root.spanContext();
}

async function main(flags) {
  const exporter = new Checked(makeExporter(flags));
  const sent = new sdk.InMemorySpanExporter();
  const resource = { 'service.name': flags.service, 'service.instance.id': `${flags.service}-1` };
  const provider = new sdk.NodeTracerProvider({
    resource: defaultResource().merge(resourceFromAttributes(resource)),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter), new sdk.SimpleSpanProcessor(sent)],
  });
  const tracer = provider.getTracer('send', '1.0');

  // A failed flush is known to the exporter, and is told at the end.
  const flush = () => provider.forceFlush().catch(() => {});
  let previous;
  for (let number = 0; number < Number(flags.count); number += 1) {
    previous = makeTrace(tracer, number, previous);
    if ((number + 1) % TRACES_PER_FLUSH_MAX === 0) await flush();
  }
  await flush();

  const spans = sent.getFinishedSpans();
  const traceIds = [...new Set(spans.map((span) => span.spanContext().traceId))].sort();
  const request = JSON.parse(new TextDecoder().decode(JsonTraceSerializer.serializeRequest(spans)));
  console.log(JSON.stringify({ spans: spans.length, traceIds, request }));
  await provider.shutdown().catch(() => {});
  process.exitCode = exporter.failed ? 1 : 0;
}

const { values } = parseArgs({
  options: {
    protocol: { type: 'string' }, // grpc, http/protobuf or http/json
    endpoint: { type: 'string' }, // for instance http://localhost:4317
    service: { type: 'string' }, // service.name; service.instance.id is this with '-1'
    count: { type: 'string' }, // how many traces of five spans
    gzip: { type: 'boolean', default: false },
  },
});
if (!(values.protocol in EXPORTERS) || !values.endpoint || !values.service || !values.count) {
  console.error('send.mjs: needs --protocol grpc|http/protobuf|http/json, --endpoint, --service and --count');
  process.exitCode = 2;
} else {
  await main(values);
}
