-- The tables of the spans, and the views `span` and `trace`.
--
-- The views have the columns of those on PostgreSQL, told in full in `migrations/postgres/0001_spans.sql`, with the same
-- meaning. What SQLite has no type for:
--
--   start_time, end_time   text, YYYY-MM-DD HH:MM:SS.ffffff in UTC
--   duration               text, HH:MM:SS.ffffff, as many digits of hours as it takes
--   ..._unix_nano          an integer; from the year 2262 on, which only broken clocks reach, its digits as text
--   attributes, resource_attributes, events, links
--                          JSON as text, for json_extract and its like
--   services               the same: an array of texts, sorted
--
-- Whoever reads the file brings a SQLite of their own, so the schema keeps to what version 3.37 of 2021 understands.

-- Who produces spans. Keyed, as `scope` is, by a hash of the whole content.
create table resource (
    resource_id integer primary key,
    service_id integer not null,
    node text,
    schema_url text not null,
    attributes text not null,
    attributes_shape blob,
    dropped_attributes_count integer not null,
    entity_refs text
) strict;

-- Which instrumentation produces spans.
create table scope (
    scope_id integer primary key,
    name text not null,
    version text not null,
    schema_url text not null,
    attributes text not null,
    attributes_shape blob,
    dropped_attributes_count integer not null
) strict;

-- The services that have a span. Their ids are small numbers: there is one writer, and a small number costs a byte.
create table service (
    service_id integer primary key,
    name text not null unique
) strict;

-- What the services do: span names with kinds.
create table operation (
    service_id integer not null,
    name text not null,
    kind integer not null,
    primary key (service_id, name, kind)
) strict, without rowid;

-- One row a span; rows are never changed.
create table span_row (
    -- The order of arrival, never used twice: what a watermark points into.
    arrival integer primary key autoincrement,
    trace_id blob not null,
    span_id blob not null,
    -- Microseconds since 1970; start_nano has the 0 to 999 nanoseconds beyond.
    start_time integer not null,
    start_nano integer not null,
    -- As the model clamps it, so that all databases compare durations alike.
    duration_nano integer not null,
    -- Null when the end is start + duration, as it nearly always is; else its 64 bits, as a signed number.
    end_exact integer,
    parent_span_id blob,
    service_id integer not null,
    resource_id integer not null,
    scope_id integer not null,
    -- Half of the hash of the whole content: rows with equal ids, start and digest are exact copies.
    digest integer not null,
    name text not null,
    kind integer not null,
    flags integer not null,
    -- Null is 0, here and in the counts: mostly they are.
    status_code integer,
    dropped_attributes_count integer,
    dropped_events_count integer,
    dropped_links_count integer,
    -- Null is empty, here and in the next.
    status_message text,
    trace_state text,
    -- `attributes` is for searching; order and copies of keys, where they matter, are in the shape.
    attributes text not null,
    attributes_shape blob,
    events text,
    links text
) strict;

-- The expression is the one of the view's trace_id, so that the same index serves whoever asks.
create index span_row_by_trace on span_row (lower(hex(trace_id)));

create index span_row_by_service on span_row (service_id, start_time);

-- For searches without a service. Spans start in about the order in which they arrive, so it grows at its end.
create index span_row_by_start on span_row (start_time);

-- Of exact copies the first row, with times in parts that fit an integer. A helper of the two views, ours to change.
create view span_once as
select
    *,
    case
        when end_exact is null then start_time + duration_nano / 1000 + (start_nano + duration_nano % 1000) / 1000
        when end_exact >= 0 then end_exact / 1000
        -- 2^64 is 18446744073709551 thousands and 616.
        else 18446744073709551 + end_exact / 1000 - (616 + end_exact % 1000 < 0)
    end as end_micro,
    case
        when end_exact is null then (start_nano + duration_nano % 1000) % 1000
        when end_exact >= 0 then end_exact % 1000
        else (1616 + end_exact % 1000) % 1000
    end as end_nano
from span_row
where not exists (
    select 1 from span_row copy
    where lower(hex(copy.trace_id)) = lower(hex(span_row.trace_id))
        and copy.digest = span_row.digest
        and copy.span_id = span_row.span_id
        and copy.start_time = span_row.start_time
        and copy.start_nano = span_row.start_nano
        and copy.arrival < span_row.arrival
);

create view span as
select
    lower(hex(s.trace_id)) as trace_id,
    lower(hex(s.span_id)) as span_id,
    nullif(lower(hex(s.parent_span_id)), '') as parent_span_id,
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
        else cast(s.kind as text)
    end as kind,
    strftime('%Y-%m-%d %H:%M:%S', s.start_time / 1000000, 'unixepoch')
        || printf('.%06d', s.start_time % 1000000) as start_time,
    strftime('%Y-%m-%d %H:%M:%S', s.end_micro / 1000000, 'unixepoch')
        || printf('.%06d', s.end_micro % 1000000) as end_time,
    printf('%02d:%02d:%02d.%06d', s.duration_nano / 3600000000000, s.duration_nano / 60000000000 % 60,
        s.duration_nano / 1000000000 % 60, s.duration_nano / 1000 % 1000000) as duration,
    case
        when s.start_time < 9223372036854775 then s.start_time * 1000 + s.start_nano
        else printf('%d%03d', s.start_time, s.start_nano)
    end as start_time_unix_nano,
    case
        when s.end_micro < 9223372036854775 then s.end_micro * 1000 + s.end_nano
        else printf('%d%03d', s.end_micro, s.end_nano)
    end as end_time_unix_nano,
    s.duration_nano as duration_nano,
    case coalesce(s.status_code, 0)
        when 0 then 'unset'
        when 1 then 'ok'
        when 2 then 'error'
        else cast(s.status_code as text)
    end as status,
    s.status_message as status_message,
    s.attributes as attributes,
    resource.attributes as resource_attributes,
    scope.name as scope_name,
    scope.version as scope_version,
    coalesce(s.events, '[]') as events,
    coalesce(s.links, '[]') as links,
    s.trace_state as trace_state,
    s.flags as flags,
    coalesce(s.dropped_attributes_count, 0) as dropped_attributes_count,
    coalesce(s.dropped_events_count, 0) as dropped_events_count,
    coalesce(s.dropped_links_count, 0) as dropped_links_count
from span_once s
left join service on service.service_id = s.service_id
left join resource on resource.resource_id = s.resource_id
left join scope on scope.scope_id = s.scope_id;

create view trace as
select
    trace_id,
    strftime('%Y-%m-%d %H:%M:%S', start_micro / 1000000, 'unixepoch')
        || printf('.%06d', start_micro % 1000000) as start_time,
    strftime('%Y-%m-%d %H:%M:%S', end_micro / 1000000, 'unixepoch')
        || printf('.%06d', end_micro % 1000000) as end_time,
    printf('%02d:%02d:%02d.%06d', duration_nano / 3600000000000, duration_nano / 60000000000 % 60,
        duration_nano / 1000000000 % 60, duration_nano / 1000 % 1000000) as duration,
    duration_nano,
    (select service.name from span_once root join service on service.service_id = root.service_id
        where lower(hex(root.trace_id)) = t.trace_id and root.parent_span_id is null
        order by root.start_time, root.start_nano, root.span_id, root.digest limit 1) as root_service,
    (select root.name from span_once root
        where lower(hex(root.trace_id)) = t.trace_id and root.parent_span_id is null
        order by root.start_time, root.start_nano, root.span_id, root.digest limit 1) as root_name,
    span_count,
    error_count,
    (select json_group_array(name) from (
        select distinct service.name as name
        from span_once part join service on service.service_id = part.service_id
        where lower(hex(part.trace_id)) = t.trace_id
        order by 1)) as services
from (
    select
        *,
        case
            when end_micro - start_micro > 9223372036854775 then 9223372036854775807
            when end_micro - start_micro = 9223372036854775
                then 9223372036854775000 + min(end_nano - start_nano, 807)
            else (end_micro - start_micro) * 1000 + end_nano - start_nano
        end as duration_nano
    from (
        select
            trace_id,
            cast(substr(start_digits, 1, 17) as integer) as start_micro,
            cast(substr(start_digits, 18) as integer) as start_nano,
            cast(substr(end_digits, 1, 17) as integer) as end_micro,
            cast(substr(end_digits, 18) as integer) as end_nano,
            span_count,
            error_count
        from (
            -- Twenty digits sort as the numbers that they are, and any nanosecond fits.
            select
                lower(hex(trace_id)) as trace_id,
                min(printf('%017d%03d', start_time, start_nano)) as start_digits,
                max(max(printf('%017d%03d', start_time, start_nano), printf('%017d%03d', end_micro, end_nano)))
                    as end_digits,
                count(*) as span_count,
                count(*) filter (where status_code = 2) as error_count
            from span_once
            group by lower(hex(trace_id))
        )
    )
) t;
