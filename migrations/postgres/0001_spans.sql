-- The tables of the spans, and the views `span` and `trace`.
--
-- The views are the contract with people who ask in SQL: same columns, same meaning, on PostgreSQL and on SQLite.
-- The tables are ours to change.
--
--   span, one row a span, exact copies shown once
--   ----------------------------------------------------------------------------------------------------------------
--   trace_id               32 lower-case hex digits
--   span_id                16 lower-case hex digits
--   parent_span_id         16 lower-case hex digits; null for a root
--   service                the resource's service.name, or unknown_service
--   node                   the resource's service.instance.id, else host.name; null without either
--   name                   what the operation is called
--   kind                   unspecified, internal, server, client, producer, consumer, or a number that has no name
--   start_time             when it began, cut to the microsecond
--   end_time               when it ended, cut to the microsecond; may lie before start_time when clocks are wrong
--   duration               from start to end, cut to the microsecond; zero when the end lies before the start
--   start_time_unix_nano   when it began, to the nanosecond
--   end_time_unix_nano     when it ended, to the nanosecond
--   duration_nano          from start to end in nanoseconds; 0 when the end lies before the start
--   status                 unset, ok, error, or a number that has no name
--   status_message         what was said about the status; null when nothing was
--   attributes             the span's attributes: an object; the last of equal keys counts
--   resource_attributes    the attributes of who produced it
--   scope_name             the instrumentation that produced it
--   scope_version          its version
--   events                 an array of objects: time_unix_nano, name, attributes
--   links                  an array of objects: trace_id, span_id, flags, trace_state, attributes
--   trace_state            W3C tracestate; null when empty
--   flags                  bits 0-7: W3C trace flags; bits 8, 9: whether the parent is remote
--   dropped_attributes_count, dropped_events_count, dropped_links_count
--                          how many of them the sender left out
--
--   trace, one row a trace
--   ----------------------------------------------------------------------------------------------------------------
--   trace_id               32 lower-case hex digits
--   start_time             when its earliest span began, cut to the microsecond
--   end_time               when its latest span ended, cut to the microsecond; never before start_time
--   duration               from the one to the other, cut to the microsecond
--   duration_nano          the same in nanoseconds
--   root_service           the service of the earliest span without a parent; null while there is none
--   root_name              the name of that span
--   span_count             how many spans it has
--   error_count            how many of them have the status error
--   services               the services that took part, sorted
--
-- What JSON can not say stands as an object with one key: {"$bytes": "base64"}, {"$double": "NaN"}, {"$map": [[key,
-- value], ...]} for a nested map in which order or copies of keys matter. A double always has a point: 1 is an int, 1.0
-- a double. An event or link whose keys have an order of their own carries it as `shape`. In every text, U+0000 stands
-- as U+0001 U+0001 and U+0001 as U+0001 U+0002.

-- Who produces spans. Keyed, as `scope` is, by a hash of the whole content: no id has to be read back, and every
-- process that writes finds the same one.
create table resource (
    resource_id bigint primary key,
    dropped_attributes_count int not null,
    service text collate "C" not null,
    node text collate "C",
    schema_url text collate "C" not null,
    attributes jsonb not null,
    attributes_shape bytea,
    entity_refs jsonb
);

-- Which instrumentation produces spans.
create table scope (
    scope_id bigint primary key,
    dropped_attributes_count int not null,
    name text collate "C" not null,
    version text collate "C" not null,
    schema_url text collate "C" not null,
    attributes jsonb not null,
    attributes_shape bytea
);

-- The services that have a span. Names may be of any length, so they are keyed by a hash and never stand in an index.
create table service (
    service_id bigint primary key,
    name text collate "C" not null
);

-- What the services do: span names with kinds, keyed by a hash of service, kind and name.
create table operation (
    operation_id bigint primary key,
    service_id bigint not null,
    kind int not null,
    name text collate "C" not null
);

create index operation_by_service on operation (service_id);

-- One row a span. Wide columns come first, so that nothing is lost to alignment. Rows are written by COPY and never
-- changed. Unsigned numbers of OTLP stand as the signed number with the same bits.
create table span_row (
    -- Microseconds; start_nano has the 0 to 999 nanoseconds beyond.
    start_time timestamptz not null,
    -- As the model clamps it, so that all databases compare durations alike.
    duration_nano bigint not null,
    -- Null when the end is start + duration, as it nearly always is.
    end_exact bigint,
    resource_id bigint not null,
    scope_id bigint not null,
    service_id bigint not null,
    -- Half of the hash of the whole content: rows with equal ids, start and digest are exact copies.
    digest bigint not null,
    -- When the transaction that wrote it began, by the database's clock, so that all writers agree.
    received_time timestamptz not null default now(),
    kind int not null,
    flags int not null,
    -- Null is 0, here and in the counts: mostly they are.
    status_code int,
    dropped_attributes_count int,
    dropped_events_count int,
    dropped_links_count int,
    start_nano smallint not null,
    trace_id bytea not null,
    span_id bytea not null,
    parent_span_id bytea,
    name text collate "C" not null,
    status_message text collate "C",
    trace_state text collate "C",
    -- `attributes` is for searching; order and copies of keys, where they matter, are in the shape.
    attributes jsonb not null,
    attributes_shape bytea,
    events jsonb,
    links jsonb
);

-- The expression is the one of the view's trace_id, so that the same index serves whoever asks.
create index span_row_by_trace on span_row ((encode(trace_id, 'hex') collate "C"));

create index span_row_by_service on span_row (service_id, start_time);

create view span as
select
    encode(s.trace_id, 'hex') collate "C" as trace_id,
    encode(s.span_id, 'hex') collate "C" as span_id,
    encode(s.parent_span_id, 'hex') collate "C" as parent_span_id,
    service.name as service,
    resource.node as node,
    s.name as name,
    case s.kind
        when 0 then 'unspecified'
        when 1 then 'internal'
        when 2 then 'server'
        when 3 then 'client'
        when 4 then 'producer'
        when 5 then 'consumer'
        else s.kind::text
    end as kind,
    s.start_time as start_time,
    -- Hours and seconds are added apart: days would follow the session's time zone, and seconds alone are a float that
    -- is not exact over centuries.
    case
        when s.end_exact is null then
            s.start_time + make_interval(
                hours => (s.duration_nano / 3600000000000)::int,
                secs => ((s.duration_nano % 3600000000000 + s.start_nano) / 1000) / 1000000.0::float8)
        else
            '1970-01-01 00:00:00+00'::timestamptz + make_interval(
                hours => div(s.end_exact::numeric + case when s.end_exact < 0 then 18446744073709551616 else 0 end,
                             3600000000000)::int,
                secs => (div(mod(s.end_exact::numeric + case when s.end_exact < 0 then 18446744073709551616 else 0 end,
                                 3600000000000), 1000) / 1000000)::float8)
    end as end_time,
    make_interval(
        hours => (s.duration_nano / 3600000000000)::int,
        secs => (s.duration_nano % 3600000000000 / 1000) / 1000000.0::float8) as duration,
    trunc(extract(epoch from s.start_time) * 1000000000) + s.start_nano as start_time_unix_nano,
    case
        when s.end_exact is null then
            trunc(extract(epoch from s.start_time) * 1000000000) + s.start_nano + s.duration_nano
        else
            s.end_exact::numeric + case when s.end_exact < 0 then 18446744073709551616 else 0 end
    end as end_time_unix_nano,
    s.duration_nano as duration_nano,
    case coalesce(s.status_code, 0)
        when 0 then 'unset'
        when 1 then 'ok'
        when 2 then 'error'
        else s.status_code::text
    end as status,
    s.status_message as status_message,
    s.attributes as attributes,
    resource.attributes as resource_attributes,
    scope.name as scope_name,
    scope.version as scope_version,
    coalesce(s.events, '[]'::jsonb) as events,
    coalesce(s.links, '[]'::jsonb) as links,
    s.trace_state as trace_state,
    s.flags::bigint & 4294967295 as flags,
    coalesce(s.dropped_attributes_count, 0)::bigint & 4294967295 as dropped_attributes_count,
    coalesce(s.dropped_events_count, 0)::bigint & 4294967295 as dropped_events_count,
    coalesce(s.dropped_links_count, 0)::bigint & 4294967295 as dropped_links_count
from span_row s
-- An inner join, so that a search by time alone can go from the services to the index; the outer ones cost nothing when
-- their columns are not asked for.
join service on service.service_id = s.service_id
left join resource on resource.resource_id = s.resource_id
left join scope on scope.scope_id = s.scope_id
-- Of exact copies, the first row is shown.
where not exists (
    select from span_row copy
    where encode(copy.trace_id, 'hex') collate "C" = encode(s.trace_id, 'hex') collate "C"
        and copy.digest = s.digest
        and copy.span_id = s.span_id
        and copy.start_time = s.start_time
        and copy.start_nano = s.start_nano
        and copy.ctid < s.ctid
);

create view trace as
select
    trace_id,
    start_time,
    end_time,
    make_interval(
        hours => (duration_nano / 3600000000000)::int,
        secs => (duration_nano % 3600000000000 / 1000) / 1000000.0::float8) as duration,
    duration_nano,
    roots[1][1] as root_service,
    roots[1][2] as root_name,
    span_count,
    error_count,
    services
from (
    select
        trace_id,
        min(start_time) as start_time,
        max(greatest(start_time, end_time)) as end_time,
        least(max(greatest(start_time_unix_nano, end_time_unix_nano)) - min(start_time_unix_nano),
              9223372036854775807)::bigint as duration_nano,
        (array_agg(array[service, name] order by start_time_unix_nano, span_id)
            filter (where parent_span_id is null)) as roots,
        count(*) as span_count,
        count(*) filter (where status = 'error') as error_count,
        array_agg(distinct service) as services
    from span
    group by trace_id
) t;

comment on view span is 'One row a span, exact copies shown once.';
comment on view trace is 'One row a trace.';
comment on column span.trace_id is '32 lower-case hex digits';
comment on column span.span_id is '16 lower-case hex digits';
comment on column span.parent_span_id is '16 lower-case hex digits; null for a root';
comment on column span.service is 'the resource''s service.name, or unknown_service';
comment on column span.node is 'the resource''s service.instance.id, else host.name; null without either';
comment on column span.name is 'what the operation is called';
comment on column span.kind is 'unspecified, internal, server, client, producer, consumer, or a number that has no name';
comment on column span.start_time is 'when it began, cut to the microsecond';
comment on column span.end_time is 'when it ended, cut to the microsecond; may lie before start_time when clocks are wrong';
comment on column span.duration is 'from start to end, cut to the microsecond; zero when the end lies before the start';
comment on column span.start_time_unix_nano is 'when it began, to the nanosecond';
comment on column span.end_time_unix_nano is 'when it ended, to the nanosecond';
comment on column span.duration_nano is 'from start to end in nanoseconds; 0 when the end lies before the start';
comment on column span.status is 'unset, ok, error, or a number that has no name';
comment on column span.status_message is 'what was said about the status; null when nothing was';
comment on column span.attributes is 'the span''s attributes: an object; the last of equal keys counts';
comment on column span.resource_attributes is 'the attributes of who produced it';
comment on column span.scope_name is 'the instrumentation that produced it';
comment on column span.scope_version is 'its version';
comment on column span.events is 'an array of objects: time_unix_nano, name, attributes';
comment on column span.links is 'an array of objects: trace_id, span_id, flags, trace_state, attributes';
comment on column span.trace_state is 'W3C tracestate; null when empty';
comment on column span.flags is 'bits 0-7: W3C trace flags; bits 8, 9: whether the parent is remote';
comment on column span.dropped_attributes_count is 'how many attributes the sender left out';
comment on column span.dropped_events_count is 'how many events the sender left out';
comment on column span.dropped_links_count is 'how many links the sender left out';
comment on column trace.trace_id is '32 lower-case hex digits';
comment on column trace.start_time is 'when its earliest span began, cut to the microsecond';
comment on column trace.end_time is 'when its latest span ended, cut to the microsecond; never before start_time';
comment on column trace.duration is 'from the one to the other, cut to the microsecond';
comment on column trace.duration_nano is 'the same in nanoseconds';
comment on column trace.root_service is 'the service of the earliest span without a parent; null while there is none';
comment on column trace.root_name is 'the name of that span';
comment on column trace.span_count is 'how many spans it has';
comment on column trace.error_count is 'how many of them have the status error';
comment on column trace.services is 'the services that took part, sorted';
