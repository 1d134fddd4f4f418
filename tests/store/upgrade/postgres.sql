SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;
SET default_tablespace = '';
SET default_table_access_method = heap;
CREATE TABLE public._sqlx_migrations (
    version bigint NOT NULL,
    description text NOT NULL,
    installed_on timestamp with time zone DEFAULT now() NOT NULL,
    success boolean NOT NULL,
    checksum bytea NOT NULL,
    execution_time bigint NOT NULL
);
CREATE TABLE public.operation (
    operation_id bigint NOT NULL,
    service_id bigint NOT NULL,
    kind integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.receipt (
    fingerprint bytea NOT NULL,
    received_time timestamp with time zone DEFAULT now() NOT NULL
);
CREATE TABLE public.resource (
    resource_id bigint NOT NULL,
    dropped_attributes_count integer NOT NULL,
    service text NOT NULL COLLATE pg_catalog."C",
    node text COLLATE pg_catalog."C",
    schema_url text NOT NULL COLLATE pg_catalog."C",
    attributes jsonb NOT NULL,
    attributes_shape bytea,
    entity_refs jsonb
);
CREATE TABLE public.scope (
    scope_id bigint NOT NULL,
    dropped_attributes_count integer NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C",
    version text NOT NULL COLLATE pg_catalog."C",
    schema_url text NOT NULL COLLATE pg_catalog."C",
    attributes jsonb NOT NULL,
    attributes_shape bytea
);
CREATE TABLE public.service (
    service_id bigint NOT NULL,
    name text NOT NULL COLLATE pg_catalog."C"
);
CREATE TABLE public.span_row (
    start_time timestamp with time zone NOT NULL,
    duration_nano bigint NOT NULL,
    end_exact bigint,
    resource_id bigint NOT NULL,
    scope_id bigint NOT NULL,
    service_id bigint NOT NULL,
    digest bigint NOT NULL,
    received_time timestamp with time zone DEFAULT now() NOT NULL,
    kind integer NOT NULL,
    flags integer NOT NULL,
    status_code integer,
    dropped_attributes_count integer,
    dropped_events_count integer,
    dropped_links_count integer,
    start_nano smallint NOT NULL,
    trace_id bytea NOT NULL,
    span_id bytea NOT NULL,
    parent_span_id bytea,
    name text NOT NULL COLLATE pg_catalog."C",
    status_message text COLLATE pg_catalog."C",
    trace_state text COLLATE pg_catalog."C",
    attributes jsonb NOT NULL,
    attributes_shape bytea,
    events jsonb,
    links jsonb
);
CREATE VIEW public.span AS
 SELECT (encode(s.trace_id, 'hex'::text) COLLATE "C") AS trace_id,
    (encode(s.span_id, 'hex'::text) COLLATE "C") AS span_id,
    (encode(s.parent_span_id, 'hex'::text) COLLATE "C") AS parent_span_id,
    service.name AS service,
    resource.node,
    s.name,
        CASE s.kind
            WHEN 0 THEN 'unspecified'::text
            WHEN 1 THEN 'internal'::text
            WHEN 2 THEN 'server'::text
            WHEN 3 THEN 'client'::text
            WHEN 4 THEN 'producer'::text
            WHEN 5 THEN 'consumer'::text
            ELSE (s.kind)::text
        END AS kind,
    s.start_time,
        CASE
            WHEN (s.end_exact IS NULL) THEN (s.start_time + make_interval(hours => ((s.duration_nano / '3600000000000'::bigint))::integer, secs => (((((s.duration_nano % '3600000000000'::bigint) + s.start_nano) / 1000))::double precision / (1000000.0)::double precision)))
            ELSE ('1970-01-01 00:00:00+00'::timestamp with time zone + make_interval(hours => (div(((s.end_exact)::numeric +
            CASE
                WHEN (s.end_exact < 0) THEN '18446744073709551616'::numeric
                ELSE (0)::numeric
            END), ('3600000000000'::bigint)::numeric))::integer, secs => ((div(mod(((s.end_exact)::numeric +
            CASE
                WHEN (s.end_exact < 0) THEN '18446744073709551616'::numeric
                ELSE (0)::numeric
            END), ('3600000000000'::bigint)::numeric), (1000)::numeric) / (1000000)::numeric))::double precision))
        END AS end_time,
    make_interval(hours => ((s.duration_nano / '3600000000000'::bigint))::integer, secs => ((((s.duration_nano % '3600000000000'::bigint) / 1000))::double precision / (1000000.0)::double precision)) AS duration,
    (trunc((EXTRACT(epoch FROM s.start_time) * (1000000000)::numeric)) + (s.start_nano)::numeric) AS start_time_unix_nano,
        CASE
            WHEN (s.end_exact IS NULL) THEN ((trunc((EXTRACT(epoch FROM s.start_time) * (1000000000)::numeric)) + (s.start_nano)::numeric) + (s.duration_nano)::numeric)
            ELSE ((s.end_exact)::numeric +
            CASE
                WHEN (s.end_exact < 0) THEN '18446744073709551616'::numeric
                ELSE (0)::numeric
            END)
        END AS end_time_unix_nano,
    s.duration_nano,
        CASE COALESCE(s.status_code, 0)
            WHEN 0 THEN 'unset'::text
            WHEN 1 THEN 'ok'::text
            WHEN 2 THEN 'error'::text
            ELSE (s.status_code)::text
        END AS status,
    s.status_message,
    s.attributes,
    resource.attributes AS resource_attributes,
    scope.name AS scope_name,
    scope.version AS scope_version,
    COALESCE(s.events, '[]'::jsonb) AS events,
    COALESCE(s.links, '[]'::jsonb) AS links,
    s.trace_state,
    ((s.flags)::bigint & '4294967295'::bigint) AS flags,
    ((COALESCE(s.dropped_attributes_count, 0))::bigint & '4294967295'::bigint) AS dropped_attributes_count,
    ((COALESCE(s.dropped_events_count, 0))::bigint & '4294967295'::bigint) AS dropped_events_count,
    ((COALESCE(s.dropped_links_count, 0))::bigint & '4294967295'::bigint) AS dropped_links_count
   FROM (((public.span_row s
     JOIN public.service ON ((service.service_id = s.service_id)))
     LEFT JOIN public.resource ON ((resource.resource_id = s.resource_id)))
     LEFT JOIN public.scope ON ((scope.scope_id = s.scope_id)))
  WHERE (NOT (EXISTS ( SELECT
           FROM public.span_row copy
          WHERE (((encode(copy.trace_id, 'hex'::text) COLLATE "C") = (encode(s.trace_id, 'hex'::text) COLLATE "C")) AND (copy.digest = s.digest) AND (copy.span_id = s.span_id) AND (copy.start_time = s.start_time) AND (copy.start_nano = s.start_nano) AND (copy.ctid < s.ctid)))));
COMMENT ON VIEW public.span IS 'One row a span, exact copies shown once.';
COMMENT ON COLUMN public.span.trace_id IS '32 lower-case hex digits';
COMMENT ON COLUMN public.span.span_id IS '16 lower-case hex digits';
COMMENT ON COLUMN public.span.parent_span_id IS '16 lower-case hex digits; null for a root';
COMMENT ON COLUMN public.span.service IS 'the resource''s service.name, or unknown_service';
COMMENT ON COLUMN public.span.node IS 'the resource''s service.instance.id, else host.name; null without either';
COMMENT ON COLUMN public.span.name IS 'what the operation is called';
COMMENT ON COLUMN public.span.kind IS 'unspecified, internal, server, client, producer, consumer, or a number that has no name';
COMMENT ON COLUMN public.span.start_time IS 'when it began, cut to the microsecond';
COMMENT ON COLUMN public.span.end_time IS 'when it ended, cut to the microsecond; may lie before start_time when clocks are wrong';
COMMENT ON COLUMN public.span.duration IS 'from start to end, cut to the microsecond; zero when the end lies before the start';
COMMENT ON COLUMN public.span.start_time_unix_nano IS 'when it began, to the nanosecond';
COMMENT ON COLUMN public.span.end_time_unix_nano IS 'when it ended, to the nanosecond';
COMMENT ON COLUMN public.span.duration_nano IS 'from start to end in nanoseconds; 0 when the end lies before the start';
COMMENT ON COLUMN public.span.status IS 'unset, ok, error, or a number that has no name';
COMMENT ON COLUMN public.span.status_message IS 'what was said about the status; null when nothing was';
COMMENT ON COLUMN public.span.attributes IS 'the span''s attributes: an object; the last of equal keys counts';
COMMENT ON COLUMN public.span.resource_attributes IS 'the attributes of who produced it';
COMMENT ON COLUMN public.span.scope_name IS 'the instrumentation that produced it';
COMMENT ON COLUMN public.span.scope_version IS 'its version';
COMMENT ON COLUMN public.span.events IS 'an array of objects: time_unix_nano, name, attributes';
COMMENT ON COLUMN public.span.links IS 'an array of objects: trace_id, span_id, flags, trace_state, attributes';
COMMENT ON COLUMN public.span.trace_state IS 'W3C tracestate; null when empty';
COMMENT ON COLUMN public.span.flags IS 'bits 0-7: W3C trace flags; bits 8, 9: whether the parent is remote';
COMMENT ON COLUMN public.span.dropped_attributes_count IS 'how many attributes the sender left out';
COMMENT ON COLUMN public.span.dropped_events_count IS 'how many events the sender left out';
COMMENT ON COLUMN public.span.dropped_links_count IS 'how many links the sender left out';
CREATE VIEW public.trace AS
 SELECT t.trace_id,
    t.start_time,
    t.end_time,
    make_interval(hours => ((t.duration_nano / '3600000000000'::bigint))::integer, secs => ((((t.duration_nano % '3600000000000'::bigint) / 1000))::double precision / (1000000.0)::double precision)) AS duration,
    t.duration_nano,
    t.roots[1][1] AS root_service,
    t.roots[1][2] AS root_name,
    t.span_count,
    t.error_count,
    t.services
   FROM ( SELECT span.trace_id,
            min(span.start_time) AS start_time,
            max(GREATEST(span.start_time, span.end_time)) AS end_time,
            (LEAST((max(GREATEST(span.start_time_unix_nano, span.end_time_unix_nano)) - min(span.start_time_unix_nano)), ('9223372036854775807'::bigint)::numeric))::bigint AS duration_nano,
            array_agg(ARRAY[span.service, span.name] ORDER BY span.start_time_unix_nano, span.span_id) FILTER (WHERE (span.parent_span_id IS NULL)) AS roots,
            count(*) AS span_count,
            count(*) FILTER (WHERE (span.status = 'error'::text)) AS error_count,
            array_agg(DISTINCT span.service) AS services
           FROM public.span
          GROUP BY span.trace_id) t;
COMMENT ON VIEW public.trace IS 'One row a trace.';
COMMENT ON COLUMN public.trace.trace_id IS '32 lower-case hex digits';
COMMENT ON COLUMN public.trace.start_time IS 'when its earliest span began, cut to the microsecond';
COMMENT ON COLUMN public.trace.end_time IS 'when its latest span ended, cut to the microsecond; never before start_time';
COMMENT ON COLUMN public.trace.duration IS 'from the one to the other, cut to the microsecond';
COMMENT ON COLUMN public.trace.duration_nano IS 'the same in nanoseconds';
COMMENT ON COLUMN public.trace.root_service IS 'the service of the earliest span without a parent; null while there is none';
COMMENT ON COLUMN public.trace.root_name IS 'the name of that span';
COMMENT ON COLUMN public.trace.span_count IS 'how many spans it has';
COMMENT ON COLUMN public.trace.error_count IS 'how many of them have the status error';
COMMENT ON COLUMN public.trace.services IS 'the services that took part, sorted';
INSERT INTO public._sqlx_migrations VALUES
	(1, 'spans', '2026-11-22 23:40:35.349617+00', true, '\xdf0231b72794db33dd25287e4546f758628d24c067bd3277114522d802af0380dbbfa0899154de436dc1c66bd45c9a5d', 8331376),
	(2, 'receipts', '2026-11-22 23:40:35.358332+00', true, '\x3a56449bde3151ac65a942d6fc3cf8d797c56faaeef464f78cd24433a551df1d063c03aa5aaa434300aea5aaa764e4b1', 1383769);
INSERT INTO public.operation VALUES
	(-1520362663698102070, 3885106686398234338, 1, 'SELECT'),
	(940126277914954437, -865891553337307943, 2, 'GET /carts/{id}'),
	(7717684119673772391, -2259212464785194659, 3, 'cart.get'),
	(-6239120813456473884, -865891553337307943, 3, 'GET /carts/{id}'),
	(-5706555498783567753, -865891553337307943, 2, ''),
	(4944750862820952925, -865891553337307943, -7, 'né'),
	(6717340185313942417, -797161916375317570, 2, 'GET /carts/{id}');
INSERT INTO public.receipt VALUES
	('\x3487994842c21812edec30c8a58805bf', '2026-11-22 23:40:35.38267+00'),
	('\x18b9b74fdd2c9d2f1fa0f8073159fd34', '2026-11-22 23:40:35.403083+00'),
	('\x6f4ae44ca519cb5f24fb03b32b8d92d2', '2026-11-22 23:40:35.415134+00');
INSERT INTO public.resource VALUES
	(-8215996757806336421, 1, 'cart', 'node-0', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-0", "process.pid": 4711, "service.name": "cart"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(-7992050211692514600, 1, 'cart-db', 'node-0', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-0", "process.pid": 4711, "service.name": "cart-db"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(-1840144265887181540, 1, 'shop', 'node-0', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-0", "process.pid": 4711, "service.name": "shop"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(1427319157705426899, 1, 'cart', 'node-1', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-1", "process.pid": 4711, "service.name": "cart"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(6530634151724246987, 1, 'cart-db', 'node-1', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-1", "process.pid": 4711, "service.name": "cart-db"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(8093060694948498290, 1, 'shop', 'node-1', 'https://opentelemetry.io/schemas/1.37.0', '{"tags": ["a", null, 1.0], "host.name": "node-1", "process.pid": 4711, "service.name": "shop"}', '\x0003010200', '[{"type": "host", "id_keys": ["host.name"], "schema_url": "https://opentelemetry.io/schemas/1.40.0", "description_keys": ["os\u0001\u0001"]}]'),
	(8827121125201873892, 0, 'unknown_service', NULL, '', '{}', NULL, NULL);
INSERT INTO public.scope VALUES
	(-6992839467779247689, 2, 'cart.get', '1.2.3', 's', '{"short": true}', NULL),
	(8910501867728692018, 2, 'SELECT', '1.2.3', 's', '{"short": true}', NULL),
	(8986761804353673613, 2, 'GET /carts/{id}', '1.2.3', 's', '{"short": true}', NULL),
	(4897897050644095740, 0, '', '', '', '{}', NULL);
INSERT INTO public.service VALUES
	(-2259212464785194659, 'cart'),
	(-865891553337307943, 'shop'),
	(3885106686398234338, 'cart-db'),
	(-797161916375317570, 'unknown_service');
INSERT INTO public.span_row VALUES
	('2026-01-01 00:58:00.000001+00', 89998000, NULL, -1840144265887181540, 8986761804353673613, -865891553337307943, 5276514674235465961, '2026-11-22 23:40:35.38267+00', 2, 257, 2, NULL, NULL, NULL, 0, '\x0000000000000001000000000000abcd', '\x0000000000000001', NULL, 'GET /carts/{id}', 'failed: 0', NULL, '{"url.path": "/carts/0?q=100%&x=\"y\"", "http.response.status_code": 500}', '\x000100', '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229080000000005, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:58:00.000002+00', 89996000, NULL, -8215996757806336421, -6992839467779247689, -2259212464785194659, 5135404849086675777, '2026-11-22 23:40:35.38267+00', 3, 257, 2, NULL, NULL, NULL, 0, '\x0000000000000001000000000000abcd', '\x0000000000000002', '\x0000000000000001', 'cart.get', 'failed: 0', NULL, '{"ratio": 0.25, "retry": false}', '\x000100', '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229080000000005, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:58:00.000003+00', 89994000, NULL, -7992050211692514600, 8910501867728692018, 3885106686398234338, 5249856616766202107, '2026-11-22 23:40:35.38267+00', 1, 257, 2, NULL, NULL, NULL, 0, '\x0000000000000001000000000000abcd', '\x0000000000000003', '\x0000000000000002', 'SELECT', 'failed: 0', NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229080000000005, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:58:17.000001+00', 89998001, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -3482533037729546678, '2026-11-22 23:40:35.38267+00', 2, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000065', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/1?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:17.000002+00', 89996001, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 6427624225149884617, '2026-11-22 23:40:35.38267+00', 3, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000066', '\x0000000000000065', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:17.000003+00', 89994001, NULL, 6530634151724246987, 8910501867728692018, 3885106686398234338, 2846900570749664593, '2026-11-22 23:40:35.38267+00', 1, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000067', '\x0000000000000066', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:58:34.000001+00', 89998002, NULL, -1840144265887181540, 8986761804353673613, -865891553337307943, -1271423716922282280, '2026-11-22 23:40:35.38267+00', 2, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000c9', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/2?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:34.000002+00', 89996002, NULL, -8215996757806336421, -6992839467779247689, -2259212464785194659, -2163861925425097253, '2026-11-22 23:40:35.38267+00', 3, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000ca', '\x00000000000000c9', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:34.000003+00', 89994002, NULL, -7992050211692514600, 8910501867728692018, 3885106686398234338, 2790405966221054989, '2026-11-22 23:40:35.38267+00', 1, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000cb', '\x00000000000000ca', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:58:51.000001+00', 89998003, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 1396493173460080697, '2026-11-22 23:40:35.38267+00', 2, 257, NULL, NULL, NULL, NULL, 3, '\x0000000000000004000000000000abcd', '\x000000000000012d', NULL, 'GET /carts/{id}', NULL, 'vendor=1,other=2', '{"url.path": "/carts/3?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:51.000002+00', 89996003, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 5621802600813804110, '2026-11-22 23:40:35.38267+00', 3, 257, NULL, NULL, NULL, NULL, 3, '\x0000000000000004000000000000abcd', '\x000000000000012e', '\x000000000000012d', 'cart.get', NULL, 'vendor=1,other=2', '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:51.000003+00', 89994003, NULL, 6530634151724246987, 8910501867728692018, 3885106686398234338, 5490692254460148121, '2026-11-22 23:40:35.38267+00', 1, 257, NULL, NULL, NULL, NULL, 3, '\x0000000000000004000000000000abcd', '\x000000000000012f', '\x000000000000012e', 'SELECT', NULL, 'vendor=1,other=2', '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:59:08.000001+00', 89998004, NULL, -1840144265887181540, 8986761804353673613, -865891553337307943, 2632217713994494492, '2026-11-22 23:40:35.38267+00', 2, 257, 2, NULL, NULL, NULL, 4, '\x0000000000000005000000000000abcd', '\x0000000000000191', NULL, 'GET /carts/{id}', 'failed: 4', NULL, '{"url.path": "/carts/4?q=100%&x=\"y\"", "http.response.status_code": 500}', '\x000100', '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229148000000009, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:59:08.000002+00', 89996004, NULL, -8215996757806336421, -6992839467779247689, -2259212464785194659, -5308059296353150757, '2026-11-22 23:40:35.38267+00', 3, 257, 2, NULL, NULL, NULL, 4, '\x0000000000000005000000000000abcd', '\x0000000000000192', '\x0000000000000191', 'cart.get', 'failed: 4', NULL, '{"ratio": 0.25, "retry": false}', '\x000100', '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229148000000009, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:59:08.000003+00', 89994004, NULL, -7992050211692514600, 8910501867728692018, 3885106686398234338, -9056793331768539239, '2026-11-22 23:40:35.38267+00', 1, 257, 2, NULL, NULL, NULL, 4, '\x0000000000000005000000000000abcd', '\x0000000000000193', '\x0000000000000192', 'SELECT', 'failed: 4', NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, '[{"name": "exception", "attributes": {"exception.type": "java.io.IOException", "exception.stacktrace": "at a.b.C(C.java:1)\n\tat d.e.F(F.java:2)\n"}, "time_unix_nano": 1767229148000000009, "dropped_attributes_count": 3}]', NULL),
	('2026-01-01 00:59:25.000001+00', 89998005, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 2229138389074689535, '2026-11-22 23:40:35.38267+00', 2, 257, 1, NULL, NULL, NULL, 5, '\x0000000000000006000000000000abcd', '\x00000000000001f5', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/5?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:59:25.000002+00', 89996005, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, -6746388836760773061, '2026-11-22 23:40:35.38267+00', 3, 257, 1, NULL, NULL, NULL, 5, '\x0000000000000006000000000000abcd', '\x00000000000001f6', '\x00000000000001f5', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:59:25.000003+00', 89994005, NULL, 6530634151724246987, 8910501867728692018, 3885106686398234338, -7945077551982233734, '2026-11-22 23:40:35.38267+00', 1, 257, 1, NULL, NULL, NULL, 5, '\x0000000000000006000000000000abcd', '\x00000000000001f7', '\x00000000000001f6', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:59:42.000001+00', 89998006, NULL, -1840144265887181540, 8986761804353673613, -865891553337307943, 5085814238258853529, '2026-11-22 23:40:35.38267+00', 2, 257, NULL, NULL, NULL, NULL, 6, '\x0000000000000007000000000000abcd', '\x0000000000000259', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/6?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:59:42.000002+00', 89996006, NULL, -8215996757806336421, -6992839467779247689, -2259212464785194659, -5334650710430409968, '2026-11-22 23:40:35.38267+00', 3, 257, NULL, NULL, NULL, NULL, 6, '\x0000000000000007000000000000abcd', '\x000000000000025a', '\x0000000000000259', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL);
INSERT INTO public.span_row VALUES
	('2026-01-01 00:59:42.000003+00', 89994006, NULL, -7992050211692514600, 8910501867728692018, 3885106686398234338, 9144780585575214575, '2026-11-22 23:40:35.38267+00', 1, 257, NULL, NULL, NULL, NULL, 6, '\x0000000000000007000000000000abcd', '\x000000000000025b', '\x000000000000025a', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:59:59.000001+00', 89998007, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -5244015603359090300, '2026-11-22 23:40:35.38267+00', 2, 257, NULL, NULL, NULL, NULL, 7, '\x0000000000000008000000000000abcd', '\x00000000000002bd', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/7?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:59:59.000002+00', 89996007, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, -5257070737655924286, '2026-11-22 23:40:35.38267+00', 3, 257, NULL, NULL, NULL, NULL, 7, '\x0000000000000008000000000000abcd', '\x00000000000002be', '\x00000000000002bd', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:59:59.000003+00', 89994007, NULL, 6530634151724246987, 8910501867728692018, 3885106686398234338, 4547338717919807826, '2026-11-22 23:40:35.38267+00', 1, 257, NULL, NULL, NULL, NULL, 7, '\x0000000000000008000000000000abcd', '\x00000000000002bf', '\x00000000000002be', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -6620712757897193501, '2026-11-22 23:40:35.403083+00', -7, -1, -1, -1, -1, -1, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'né', 'm', 'k=v', '{"": "a key that is empty", "inf": {"$double": "Infinity"}, "map": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "max": 9223372036854775807, "min": -9223372036854775808, "nan": {"$double": "NaN"}, "one": 1, "-0.0": {"$double": "-0.0"}, "-inf": {"$double": "-Infinity"}, "huge": 179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0, "list": [1, 1.0, null, []], "null": null, "text": "é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %", "tiny": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005, "true": true, "bytes": {"$bytes": "AAH/"}, "empty": "", "key\u0001\u0001": "a key with a zero", "one.0": 1.0, "twice": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "no bytes": {"$bytes": ""}}', '\x015b5b226e756c6c222c6e756c6c5d2c5b2274657874222c22c3a920f48fbfbf205c75303030315c75303030325c75303030315c75303030315c725c6e5c74205c5c205c222025732025252025225d2c5b22656d707479222c22225d2c5b2274727565222c747275655d2c5b226d696e222c2d393232333337323033363835343737353830385d2c5b226d6178222c393232333337323033363835343737353830375d2c5b226f6e65222c315d2c5b226f6e652e30222c312e305d2c5b222d302e30222c7b2224646f75626c65223a222d302e30227d5d2c5b226e616e222c7b2224646f75626c65223a224e614e227d5d2c5b22696e66222c7b2224646f75626c65223a22496e66696e697479227d5d2c5b222d696e66222c7b2224646f75626c65223a222d496e66696e697479227d5d2c5b2274696e79222c302e3030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030355d2c5b2268756765222c3137393736393331333438363233313537303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030303030302e305d2c5b226279746573222c7b22246279746573223a224141482f227d5d2c5b226e6f206279746573222c7b22246279746573223a22227d5d2c5b226c697374222c5b312c312e302c6e756c6c2c5b5d5d5d2c5b226d6170222c7b22246d6170223a5b5b22246279746573222c22785c75303030315c7530303031225d2c5b2262222c7b22246279746573223a224150383d227d5d5d7d5d2c5b227477696365222c315d2c5b227477696365222c7b22246d6170223a5b5b22246279746573222c22785c75303030315c7530303031225d2c5b2262222c7b22246279746573223a224150383d227d5d5d7d5d2c5b22222c2261206b6579207468617420697320656d707479225d2c5b226b65795c75303030315c7530303031222c2261206b657920776974682061207a65726f225d5d', '[{"name": "exception", "shape": "AVtbIm51bGwiLG51bGxdLFsidGV4dCIsIsOpIPSPv78gXHUwMDAxXHUwMDAyXHUwMDAxXHUwMDAxXHJcblx0IFxcIFwiICVzICUlICUiXSxbImVtcHR5IiwiIl0sWyJ0cnVlIix0cnVlXSxbIm1pbiIsLTkyMjMzNzIwMzY4NTQ3NzU4MDhdLFsibWF4Iiw5MjIzMzcyMDM2ODU0Nzc1ODA3XSxbIm9uZSIsMV0sWyJvbmUuMCIsMS4wXSxbIi0wLjAiLHsiJGRvdWJsZSI6Ii0wLjAifV0sWyJuYW4iLHsiJGRvdWJsZSI6Ik5hTiJ9XSxbImluZiIseyIkZG91YmxlIjoiSW5maW5pdHkifV0sWyItaW5mIix7IiRkb3VibGUiOiItSW5maW5pdHkifV0sWyJ0aW55IiwwLjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNV0sWyJodWdlIiwxNzk3NjkzMTM0ODYyMzE1NzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAuMF0sWyJieXRlcyIseyIkYnl0ZXMiOiJBQUgvIn1dLFsibm8gYnl0ZXMiLHsiJGJ5dGVzIjoiIn1dLFsibGlzdCIsWzEsMS4wLG51bGwsW11dXSxbIm1hcCIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyJ0d2ljZSIsMV0sWyJ0d2ljZSIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyIiLCJhIGtleSB0aGF0IGlzIGVtcHR5Il0sWyJrZXlcdTAwMDFcdTAwMDEiLCJhIGtleSB3aXRoIGEgemVybyJdXQ==", "attributes": {"": "a key that is empty", "inf": {"$double": "Infinity"}, "map": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "max": 9223372036854775807, "min": -9223372036854775808, "nan": {"$double": "NaN"}, "one": 1, "-0.0": {"$double": "-0.0"}, "-inf": {"$double": "-Infinity"}, "huge": 179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0, "list": [1, 1.0, null, []], "null": null, "text": "é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %", "tiny": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005, "true": true, "bytes": {"$bytes": "AAH/"}, "empty": "", "key\u0001\u0001": "a key with a zero", "one.0": 1.0, "twice": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "no bytes": {"$bytes": ""}}, "time_unix_nano": 18446744073709551615, "dropped_attributes_count": 3}, {"name": "e\u0001\u0001", "attributes": {}, "time_unix_nano": 0}]', '[{"flags": 4294967295, "shape": "AVtbIm51bGwiLG51bGxdLFsidGV4dCIsIsOpIPSPv78gXHUwMDAxXHUwMDAyXHUwMDAxXHUwMDAxXHJcblx0IFxcIFwiICVzICUlICUiXSxbImVtcHR5IiwiIl0sWyJ0cnVlIix0cnVlXSxbIm1pbiIsLTkyMjMzNzIwMzY4NTQ3NzU4MDhdLFsibWF4Iiw5MjIzMzcyMDM2ODU0Nzc1ODA3XSxbIm9uZSIsMV0sWyJvbmUuMCIsMS4wXSxbIi0wLjAiLHsiJGRvdWJsZSI6Ii0wLjAifV0sWyJuYW4iLHsiJGRvdWJsZSI6Ik5hTiJ9XSxbImluZiIseyIkZG91YmxlIjoiSW5maW5pdHkifV0sWyItaW5mIix7IiRkb3VibGUiOiItSW5maW5pdHkifV0sWyJ0aW55IiwwLjAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwNV0sWyJodWdlIiwxNzk3NjkzMTM0ODYyMzE1NzAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAwMDAuMF0sWyJieXRlcyIseyIkYnl0ZXMiOiJBQUgvIn1dLFsibm8gYnl0ZXMiLHsiJGJ5dGVzIjoiIn1dLFsibGlzdCIsWzEsMS4wLG51bGwsW11dXSxbIm1hcCIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyJ0d2ljZSIsMV0sWyJ0d2ljZSIseyIkbWFwIjpbWyIkYnl0ZXMiLCJ4XHUwMDAxXHUwMDAxIl0sWyJiIix7IiRieXRlcyI6IkFQOD0ifV1dfV0sWyIiLCJhIGtleSB0aGF0IGlzIGVtcHR5Il0sWyJrZXlcdTAwMDFcdTAwMDEiLCJhIGtleSB3aXRoIGEgemVybyJdXQ==", "span_id": "0000000000000001", "trace_id": "0000000000000001000000000000abcd", "attributes": {"": "a key that is empty", "inf": {"$double": "Infinity"}, "map": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "max": 9223372036854775807, "min": -9223372036854775808, "nan": {"$double": "NaN"}, "one": 1, "-0.0": {"$double": "-0.0"}, "-inf": {"$double": "-Infinity"}, "huge": 179769313486231570000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000.0, "list": [1, 1.0, null, []], "null": null, "text": "é 􏿿 \u0001\u0002\u0001\u0001\r\n\t \\ \" %s %% %", "tiny": 0.000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000005, "true": true, "bytes": {"$bytes": "AAH/"}, "empty": "", "key\u0001\u0001": "a key with a zero", "one.0": 1.0, "twice": {"$map": [["$bytes", "x\u0001\u0001"], ["b", {"$bytes": "AP8="}]]}, "no bytes": {"$bytes": ""}}, "trace_state": "l\u0001\u0001", "dropped_attributes_count": 7}, {"flags": 0, "attributes": {}}]'),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 2935286983052802945, '2026-11-22 23:40:35.403083+00', 2, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -3575844909640083447, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 8790726927639689809, '2026-11-22 23:40:35.403083+00', 2, 1, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 981862393149254886, '2026-11-22 23:40:35.403083+00', 2, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', '\x00000000000026ad', '', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8827121125201873892, 4897897050644095740, -797161916375317570, 5230846200579355338, '2026-11-22 23:40:35.403083+00', 2, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('1970-01-01 00:00:00+00', 0, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, -1671695520517548657, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 0, '\x00000000000000c9000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2554-07-21 23:34:33.709551+00', 0, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 38841283541822691, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 615, '\x00000000000000ca000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2554-07-21 23:34:33.709551+00', 0, 0, 1427319157705426899, -6992839467779247689, -2259212464785194659, -5854506684608296904, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 615, '\x00000000000000cb000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('1970-01-01 00:00:00+00', 9223372036854775807, -1, 1427319157705426899, -6992839467779247689, -2259212464785194659, -7121924851474207296, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 0, '\x00000000000000cc000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:00+00', 0, 1767229079999999999, 1427319157705426899, -6992839467779247689, -2259212464785194659, -6505393024693046563, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 0, '\x00000000000000cd000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2025-11-24 16:00:00+00', 3600000000000, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 4295056597330804255, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 0, '\x00000000000000ce000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('1970-01-01 00:00:00+00', 1, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 6600215112097069967, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 999, '\x00000000000000cf000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000002+00', 89996099, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, -3021941323500172527, '2026-11-22 23:40:35.403083+00', 3, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ae', '\x00000000000026ad', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:17.000001+00', 89998001, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -3482533037729546678, '2026-11-22 23:40:35.415134+00', 2, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000065', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/1?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:17.000002+00', 89996001, NULL, 1427319157705426899, -6992839467779247689, -2259212464785194659, 6427624225149884617, '2026-11-22 23:40:35.415134+00', 3, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000066', '\x0000000000000065', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL);
INSERT INTO public.span_row VALUES
	('2026-01-01 00:58:17.000003+00', 89994001, NULL, 6530634151724246987, 8910501867728692018, 3885106686398234338, 2846900570749664593, '2026-11-22 23:40:35.415134+00', 1, 257, 1, NULL, NULL, NULL, 1, '\x0000000000000002000000000000abcd', '\x0000000000000067', '\x0000000000000066', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 00:58:34.000001+00', 89998002, NULL, -1840144265887181540, 8986761804353673613, -865891553337307943, -1271423716922282280, '2026-11-22 23:40:35.415134+00', 2, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000c9', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/2?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:34.000002+00', 89996002, NULL, -8215996757806336421, -6992839467779247689, -2259212464785194659, -2163861925425097253, '2026-11-22 23:40:35.415134+00', 3, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000ca', '\x00000000000000c9', 'cart.get', NULL, NULL, '{"ratio": 0.25, "retry": false}', '\x000100', NULL, NULL),
	('2026-01-01 00:58:34.000003+00', 89994002, NULL, -7992050211692514600, 8910501867728692018, 3885106686398234338, 2790405966221054989, '2026-11-22 23:40:35.415134+00', 1, 257, NULL, NULL, NULL, NULL, 2, '\x0000000000000003000000000000abcd', '\x00000000000000cb', '\x00000000000000ca', 'SELECT', NULL, NULL, '{"db.query.text": "select *\nfrom\tcart"}', NULL, NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -3575844909640083447, '2026-11-22 23:40:35.415134+00', 3, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 8790726927639689809, '2026-11-22 23:40:35.415134+00', 2, 1, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, 981862393149254886, '2026-11-22 23:40:35.415134+00', 2, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', '\x00000000000026ad', '', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL),
	('2026-01-01 01:26:03.000001+00', 89998099, NULL, 8093060694948498290, 8986761804353673613, -865891553337307943, -3575844909640083447, '2026-11-22 23:40:35.415134+00', 3, 257, NULL, NULL, NULL, NULL, 99, '\x0000000000000064000000000000abcd', '\x00000000000026ad', NULL, 'GET /carts/{id}', NULL, NULL, '{"url.path": "/carts/99?q=100%&x=\"y\"", "http.response.status_code": 200}', '\x000100', NULL, NULL);
ALTER TABLE ONLY public._sqlx_migrations
    ADD CONSTRAINT _sqlx_migrations_pkey PRIMARY KEY (version);
ALTER TABLE ONLY public.operation
    ADD CONSTRAINT operation_pkey PRIMARY KEY (operation_id);
ALTER TABLE ONLY public.receipt
    ADD CONSTRAINT receipt_pkey PRIMARY KEY (fingerprint);
ALTER TABLE ONLY public.resource
    ADD CONSTRAINT resource_pkey PRIMARY KEY (resource_id);
ALTER TABLE ONLY public.scope
    ADD CONSTRAINT scope_pkey PRIMARY KEY (scope_id);
ALTER TABLE ONLY public.service
    ADD CONSTRAINT service_pkey PRIMARY KEY (service_id);
CREATE INDEX operation_by_service ON public.operation USING btree (service_id);
CREATE INDEX receipt_by_time ON public.receipt USING btree (received_time);
CREATE INDEX span_row_by_service ON public.span_row USING btree (service_id, start_time);
CREATE INDEX span_row_by_trace ON public.span_row USING btree (encode(trace_id, 'hex'::text) COLLATE "C");
