-- The views `span`, `trace`, `resource` and `red_minute`, over hot rows and history alike: the contract with people who ask
-- in SQL, told in docs/sql.md. What is commented below with `comment on` is for them; the rest are helpers, ours to
-- change.
--
-- Who may read the views need not be able to read the tables: views read them as their owner. Functions do not, and so
-- the one that opens blocks is `security definer`; the others that are asked for directly ask the views.

-- Its name goes to the view.
alter table resource rename to resource_row;

-- The spans of the history, in the columns of span_row.
--
-- What prunes, before a block is opened: the trace id (through the index of trace_row, which names the blocks), the
-- service, the name, the hour, and the bounds start_time_min and start_time_max. A condition on start_time alone does
-- not: PostgreSQL derives none on a block's bounds from it.
--
-- Nothing of it may be sorted or hashed before the columns are made: a row carries its whole block, and a planner that
-- knows nothing of that writes gigabytes. So there is no plain equality between it and a table: `= any (array[...])` goes
-- through an index just as well, and through nothing else; and what is looked up for output is looked up row by row.
create view span_row_history as
select
    uuid_send(t.trace_id) as trace_id,
    substr(d.span_ids, 8 * i - 7, 8) as span_id,
    case
        when d.parent[i] >= 16384 then substr(d.span_ids, 8 * (b.span_count + d.parent[i] - 16384) + 1, 8)
        when d.parent[i] <> 0 then substr(d.span_ids, 8 * (i - d.parent[i]) - 7, 8)
    end as parent_span_id,
    b.service_id,
    service.name as service,
    d.resource_ids[d.resource[i]] as resource_id,
    (select node from resource_row where resource_id = d.resource_ids[d.resource[i]]) as node,
    (select attributes from resource_row where resource_id = d.resource_ids[d.resource[i]]) as resource_attributes,
    d.shape_scope[d.shape[i]] as scope_id,
    (select scope.name from scope where scope_id = d.shape_scope[d.shape[i]]) as scope_name,
    (select version from scope where scope_id = d.shape_scope[d.shape[i]]) as scope_version,
    -- Always n.name. But a condition on two tables is taken for a selective one, and so comes before a block is opened.
    case when b.span_count > 0 then n.name end as name,
    d.shape_kind[d.shape[i]] as kind,
    b.start_min + make_interval(secs => o.start_offset / 1000 / 1000000.0::float8) as start_time,
    (o.start_offset % 1000)::smallint as start_nano,
    (d.duration_hi[i] << 24) | ((d.duration_mid[i]::int & 255) << 16) | (d.duration_lo[i] & 65535) as duration_nano,
    d.ends_exact[d.end_exact[i]] as end_exact,
    d.shape_status[d.shape[i]] as status_code,
    d.status_messages[d.status_message[i]] collate "C" as status_message,
    format(d.shape_format[d.shape[i]], variadic string_to_array(d.attribute_values[i], E'\t'))::jsonb as attributes,
    nullif(d.shape_exact[d.shape[i]], '') as attributes_shape,
    nullif(d.events[i], '')::jsonb as events,
    nullif(d.links[i], '')::jsonb as links,
    d.trace_states[d.trace_state[i]] collate "C" as trace_state,
    coalesce(d.shape_flags[d.shape[i]], 0) as flags,
    d.shape_dropped_attributes[d.shape[i]] as dropped_attributes_count,
    d.shape_dropped_events[d.shape[i]] as dropped_events_count,
    d.shape_dropped_links[d.shape[i]] as dropped_links_count,
    b.block_id,
    b.hour,
    b.start_min,
    b.start_max
from span_block b
join service
    on b.service_id = any (array[service.service_id])
    and service.service_id = any (array[b.service_id])
-- Opened once a block: a subscript of a stored array would decompress it each time. Columns that nobody asks for are
-- left out. An operator makes a plain array of a stored one; array_append one of texts that knows where each begins.
cross join lateral (
    select
        opened(b.trace_ids) as trace_ids,
        opened(b.trace_end) as trace_end,
        '{0}'::smallint[] || b.trace_end as trace_begin,
        b.trace_days || '{}'::date[] as trace_days,
        b.span_ids || ''::bytea as span_ids,
        b.parent || '{}'::smallint[] as parent,
        b.start_hi || '{}'::int[] as start_hi,
        b.start_mid || '{}'::"char"[] as start_mid,
        b.start_lo || '{}'::smallint[] as start_lo,
        b.duration_hi || '{}'::bigint[] as duration_hi,
        b.duration_mid || '{}'::"char"[] as duration_mid,
        b.duration_lo || '{}'::smallint[] as duration_lo,
        b.resource || '{}'::smallint[] as resource,
        b.resource_ids || '{}'::bigint[] as resource_ids,
        b.shape || '{}'::smallint[] as shape,
        b.end_exact || '{}'::smallint[] as end_exact,
        b.ends_exact || '{}'::bigint[] as ends_exact,
        b.status_message || '{}'::smallint[] as status_message,
        array_append(b.status_messages, null) as status_messages,
        b.trace_state || '{}'::smallint[] as trace_state,
        array_append(b.trace_states, null) as trace_states,
        b.shape_name || '{}'::smallint[] as shape_name,
        b.shape_kind || '{}'::int[] as shape_kind,
        b.shape_status || '{}'::int[] as shape_status,
        b.shape_scope || '{}'::bigint[] as shape_scope,
        b.shape_flags || '{}'::int[] as shape_flags,
        b.shape_dropped_attributes || '{}'::int[] as shape_dropped_attributes,
        b.shape_dropped_events || '{}'::int[] as shape_dropped_events,
        b.shape_dropped_links || '{}'::int[] as shape_dropped_links,
        array_append(b.shape_format, null) as shape_format,
        array_append(b.shape_exact, null) as shape_exact,
        array_append(string_to_array(b.attribute_values, E'\n'), null) as attribute_values,
        array_append(string_to_array(b.events, E'\n'), null) as events,
        array_append(string_to_array(b.links, E'\n'), null) as links
    offset 0
) d
cross join lateral unnest(d.trace_ids, d.trace_begin, d.trace_end, d.trace_days) x (trace_id, before, last, day)
-- The blocks of a trace; with the day, so that of each trace one partition is asked.
join trace_row t
    on encode(uuid_send(t.trace_id), 'hex') collate "C" = any (array[encode(uuid_send(x.trace_id), 'hex') collate "C"])
    and t.day = any (array[x.day])
    and b.block_id = any (t.block_ids)
    -- Follows from that; but the planner guesses one trace in each partition and ten blocks of each, and would open all.
    and b.start_max >= t.start_time
    and b.hour >= date_bin('1 hour', t.start_time, '1970-01-01 00:00:00+00')
cross join lateral generate_series(x.before + 1, x.last::int) i
-- A name is looked for in the few that the block has, before it is opened.
join lateral unnest(b.names) with ordinality n (name, number) on n.number = d.shape_name[d.shape[i]]
cross join lateral (
    select (d.start_hi[i]::bigint << 24) | ((d.start_mid[i]::int & 255) << 16) | (d.start_lo[i] & 65535) as start_offset
) o;

-- How many exact copies of a hot row are in these blocks: one or none. Nearly every row is told by the bounds of the blocks,
-- nearly every other by the span ids that its trace has there: eight bytes each, read without the rest of the block. Then
-- all of the row is compared, for the digest is not in the block.
--
-- It is a number, since the planner holds that an equality is rare, as it is here, and that a truth is not. Its plans are
-- made once a connection, since there are partitions by the dozen; other processes would have to make them anew.
create function copies_in_history(
    block_ids bigint[], step int, row_place tid, trace_id bytea, span_id bytea, service_id bigint, start_time timestamptz)
returns int
language plpgsql stable parallel restricted security definer cost 1000
set plan_cache_mode = force_generic_plan
as $body$
#variable_conflict use_column
declare
    block record;
begin
    for block in
        select b.hour, b.block_id
        from span_block b
        cross join lateral array_position(b.trace_ids, encode($4, 'hex')::uuid) trace_number
        where b.hour = date_bin('1 hour', $7, '1970-01-01 00:00:00+00')
            and b.block_id = any ($1)
            and b.service_id = $6
            and $7 between b.start_min and b.start_max
            and position($5 in substr(
                b.span_ids,
                8 * coalesce(b.trace_end[trace_number - 1], 0) + 1,
                8 * (b.trace_end[trace_number] - coalesce(b.trace_end[trace_number - 1], 0)))) > 0
    loop
        if exists (
            select
            from span_row_history h
            cross join span_row s
            where h.hour = block.hour
                and h.block_id = block.block_id
                and encode(h.trace_id, 'hex') collate "C" = encode($4, 'hex') collate "C"
                and h.span_id = $5
                and h.start_time = $7
                and s.step = $2
                and s.ctid = $3
                -- Nulls are equal here. JSON is compared as text: jsonb holds that 1 = 1.0.
                and (h.start_nano, h.duration_nano, h.end_exact, h.resource_id, h.scope_id, h.parent_span_id, h.name,
                        h.kind, h.flags, coalesce(h.status_code, 0), h.status_message, h.trace_state,
                        h.attributes::text, h.attributes_shape, h.events::text, h.links::text,
                        coalesce(h.dropped_attributes_count, 0), coalesce(h.dropped_events_count, 0),
                        coalesce(h.dropped_links_count, 0))
                    is not distinct from
                    (s.start_nano, s.duration_nano, s.end_exact, s.resource_id, s.scope_id, s.parent_span_id, s.name,
                        s.kind, s.flags, coalesce(s.status_code, 0), s.status_message, s.trace_state,
                        s.attributes::text, s.attributes_shape, s.events::text, s.links::text,
                        coalesce(s.dropped_attributes_count, 0), coalesce(s.dropped_events_count, 0),
                        coalesce(s.dropped_links_count, 0))
        ) then
            return 1;
        end if;
    end loop;
    return 0;
end
$body$;

-- It runs as its owner, and so nothing that the caller made may take the place of our tables.
do $$
begin
    execute format('alter function copies_in_history set search_path = %I, pg_temp', current_schema());
end
$$;

-- The rows of the hot steps; of exact copies among them, the first one.
create view span_row_once as
select s.*, s.ctid as place
from span_row s
where s.step >= (select first_hot_step from tier)
    and not exists (
        select from span_row copy
        -- Equalities for the small numbers alone: they are quickly hashed by, and the index of services has two of them.
        where copy.digest = s.digest
            and copy.service_id = s.service_id
            and copy.start_time = s.start_time
            and (copy.step, copy.ctid) < (s.step, s.ctid)
            and (copy.start_nano, copy.span_id, copy.trace_id) is not distinct from (s.start_nano, s.span_id, s.trace_id)
            and copy.step >= (select first_hot_step from tier)
    );

-- Those of them that are not in the history as well. Only where the trace has a row there is anything to look for.
create view span_row_hot as
select s.*
from span_row_once s
where not exists (
    select from trace_row t
    where encode(uuid_send(t.trace_id), 'hex') collate "C" = encode(s.trace_id, 'hex') collate "C"
        and copies_in_history(t.block_ids, s.step, s.place, s.trace_id, s.span_id, s.service_id, s.start_time) = 1
);

-- Both tiers in the same columns, which are written once.
do $do$
declare
    columns constant text := $$
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
        coalesce(s.dropped_links_count, 0)::bigint & 4294967295 as dropped_links_count,
    $$;
    of_rows constant text := $$
        date_bin('1 hour', s.start_time, '1970-01-01 00:00:00+00') as hour,
        s.start_time as start_time_min,
        s.start_time as start_time_max
        from span_row_hot s
        -- An inner join, so that a search by time alone can go from the services to the index; the outer ones cost
        -- nothing when their columns are not asked for.
        join service on service.service_id = s.service_id
        left join resource_row resource on resource.resource_id = s.resource_id
        left join scope on scope.scope_id = s.scope_id
    $$;
    of_blocks constant text := $$
        s.hour as hour,
        s.start_min as start_time_min,
        s.start_max as start_time_max
        from span_row_history s
        cross join lateral (select s.service as name) service
        cross join lateral (select s.node, s.resource_attributes as attributes) resource
        cross join lateral (select s.scope_name as name, s.scope_version as version) scope
    $$;
begin
    execute 'create view span as select' || columns || of_rows || 'union all select' || columns || of_blocks;
end
$do$;

-- What the history says of a trace.
create view trace_row_history as
select
    encode(uuid_send(t.trace_id), 'hex') collate "C" as trace_id,
    t.start_time,
    n.start_unix_nano,
    case
        when t.end_exact is null then
            n.start_unix_nano + t.duration_nano + case when t.duration_nano < 0 then 18446744073709551616 else 0 end
        else t.end_exact::numeric + case when t.end_exact < 0 then 18446744073709551616 else 0 end
    end as end_unix_nano,
    -- The root: its key in digits that sort as the key does, and its names.
    case
        when t.root_operation_id is not null then array[
            lpad((t.root_start::numeric + case when t.root_start < 0 then 18446744073709551616 else 0 end)::text, 20, '0'),
            lpad(to_hex(t.root_span_id), 16, '0'),
            lpad((t.root_digest + 9223372036854775808)::text, 20, '0'),
            service.name,
            operation.name] collate "C"
    end as root,
    service.name as root_service,
    operation.name as root_name,
    t.span_count::bigint as span_count,
    t.error_count::bigint as error_count,
    t.service_ids
from trace_row t
cross join lateral (select trunc(extract(epoch from t.start_time) * 1000000000) + t.start_nano as start_unix_nano) n
left join operation on operation.operation_id = t.root_operation_id
left join service on service.service_id = operation.service_id;

-- What the hot rows say of a trace, copies of the history included.
create view trace_row_hot as
select
    encode(s.trace_id, 'hex') collate "C" as trace_id,
    min(s.start_time) as start_time,
    min(n.start_unix_nano) as start_unix_nano,
    max(case
        when s.end_exact is null then n.start_unix_nano + s.duration_nano
        else s.end_exact::numeric + case when s.end_exact < 0 then 18446744073709551616 else 0 end
    end) as end_unix_nano,
    min(array[
        lpad(n.start_unix_nano::text, 20, '0'),
        encode(s.span_id, 'hex'),
        lpad((s.digest + 9223372036854775808)::text, 20, '0'),
        service.name,
        s.name] collate "C") filter (where s.parent_span_id is null) as root,
    count(*) as span_count,
    count(*) filter (where s.status_code = 2) as error_count,
    array_agg(distinct s.service_id) as service_ids
from span_row_once s
join service on service.service_id = s.service_id
cross join lateral (select trunc(extract(epoch from s.start_time) * 1000000000) + s.start_nano as start_unix_nano) n
group by encode(s.trace_id, 'hex') collate "C";

create view trace as
select
    trace_id,
    start_time,
    '1970-01-01 00:00:00+00'::timestamptz + make_interval(
        hours => div(end_unix_nano, 3600000000000)::int,
        secs => (div(mod(end_unix_nano, 3600000000000), 1000) / 1000000)::float8) as end_time,
    make_interval(
        hours => (d.duration_nano / 3600000000000)::int,
        secs => (d.duration_nano % 3600000000000 / 1000) / 1000000.0::float8) as duration,
    d.duration_nano,
    root_service,
    root_name,
    span_count,
    error_count,
    (select array_agg(service.name order by service.name) from service where service.service_id = any (service_ids))
        as services
from (
    -- Those that are in the history alone, the newest first: whoever wants the newest takes them from the index, one by
    -- one. With a plain equality to the hot rows, all of them would be hashed and sorted before.
    (
        select
            trace_id,
            start_time,
            start_unix_nano,
            greatest(end_unix_nano, start_unix_nano) as end_unix_nano,
            root_service,
            root_name,
            span_count,
            error_count,
            service_ids
        from trace_row_history t
        where not exists (
            select from span_row s
            where encode(s.trace_id, 'hex') collate "C" = any (array[t.trace_id])
                and s.step >= (select first_hot_step from tier)
        )
        order by start_time desc
    )
    union all
    select
        hot.trace_id,
        least(hot.start_time, t.start_time),
        least(hot.start_unix_nano, t.start_unix_nano),
        greatest(hot.end_unix_nano, t.end_unix_nano, least(hot.start_unix_nano, t.start_unix_nano)),
        (least(hot.root, t.root))[4],
        (least(hot.root, t.root))[5],
        case when t.trace_id is null then hot.span_count else t.span_count + added.span_count end,
        case when t.trace_id is null then hot.error_count else t.error_count + added.error_count end,
        hot.service_ids || t.service_ids
    from trace_row_hot hot
    left join trace_row_history t on t.trace_id = hot.trace_id
    left join lateral (
        select count(*) as span_count, count(*) filter (where s.status_code = 2) as error_count
        from span_row_hot s
        where encode(s.trace_id, 'hex') collate "C" = t.trace_id
    ) added on true
) both_tiers
cross join lateral (
    select least(end_unix_nano - start_unix_nano, 9223372036854775807)::bigint as duration_nano
) d;

create view resource as
select
    service,
    node,
    attributes,
    schema_url,
    dropped_attributes_count::bigint & 4294967295 as dropped_attributes_count
from resource_row;

-- With an offset it stays what it is in a join: asked once for each trace.
create function trace_spans(trace_id text) returns setof span
language sql stable parallel safe
begin atomic
    select span.* from span where span.trace_id = trace_spans.trace_id offset 0;
end;

create function spans_between(since timestamptz, until timestamptz default 'infinity') returns setof span
language sql stable parallel safe
begin atomic
    select span.* from span
    where start_time >= since
        and start_time < until
        and hour >= date_bin('1 hour', since, '1970-01-01 00:00:00+00')
        and hour < until
        and start_time_max >= since
        and start_time_min < until;
end;

-- What is in no rollup yet, rolled up by the minute. A helper of the view, ours to change.
create view red_minute_hot as
select
    minute,
    service_id,
    kind,
    name,
    status,
    sum(span_count)::bigint as span_count,
    sum(duration_sum) as duration_sum,
    array_agg(bucket order by bucket) as buckets,
    array_agg(span_count order by bucket) as counts
from (
    select
        date_bin('1 minute', start_time, '1970-01-01 00:00:00+00') as minute,
        service_id,
        kind,
        name,
        coalesce(status_code, 0) as status,
        -- The subquery is run once, and keeps two thousand numbers out of the plans that people read.
        width_bucket(duration_nano, (select red_buckets()))::smallint as bucket,
        count(*) as span_count,
        sum(duration_nano) as duration_sum
    from span_row_hot
    group by 1, 2, 3, 4, 5, 6
) as filled
group by minute, service_id, kind, name, status;

create view red_minute as
select
    minute,
    service,
    name,
    case kind
        when 0 then 'unspecified'
        when 1 then 'internal'
        when 2 then 'server'
        when 3 then 'client'
        when 4 then 'producer'
        when 5 then 'consumer'
        else kind::text
    end as kind,
    case status
        when 0 then 'unset'
        when 1 then 'ok'
        when 2 then 'error'
        else status::text
    end as status,
    span_count,
    case when status = 2 then span_count else 0 end as error_count,
    duration_sum as duration_sum_nano,
    red_quantile(histogram, 0.5) as duration_p50_nano,
    red_quantile(histogram, 0.95) as duration_p95_nano,
    red_quantile(histogram, 0.99) as duration_p99_nano,
    histogram
from (
    select
        minute,
        service.name as service,
        both_tiers.name,
        kind,
        status,
        sum(span_count)::bigint as span_count,
        sum(duration_sum) as duration_sum,
        -- Nearly every row is in one of the tiers.
        case count(*)
            when 1 then (array_agg(row(buckets, counts)::red_histogram))[1]
            else red_merged(array_agg(row(buckets, counts)::red_histogram))
        end as histogram
    from (
        select minute, service_id, kind, name, status, span_count, duration_sum, buckets, counts::bigint[]
        from red_minute_row
        join operation using (operation_id)
        union all
        select minute, service_id, kind, name, status, span_count, duration_sum, buckets, counts
        from red_minute_hot
    ) as both_tiers
    join service using (service_id)
    group by 1, 2, 3, 4, 5
) as named;

-- Raised by one with whatever is added to the views and functions; what they have is never taken away or changed.
create view sql_contract as select 1 as version;

comment on view sql_contract is 'Which version of the views this is, told in docs/sql.md.';
comment on column sql_contract.version is 'raised by one when something is added';
comment on function trace_spans is 'The spans of one trace.';
comment on function spans_between is
    'The spans that began at the one time or later and before the other: reads nothing else of the history.';
comment on view span is 'One row a span, exact copies shown once.';
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
comment on column span.hour is 'the hour, UTC, in which it began; a condition on it prunes the history';
comment on column span.start_time_min is
    'a time at or before start_time, that of the stored block; a condition on it prunes the history';
comment on column span.start_time_max is
    'a time at or after start_time, that of the stored block; a condition on it prunes the history';
comment on view trace is 'One row a trace.';
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
comment on view resource is 'Who produces spans: one row for each that ever did.';
comment on column resource.service is 'its service.name, or unknown_service';
comment on column resource.node is 'its service.instance.id, else host.name; null without either';
comment on column resource.attributes is 'all its attributes: an object; the last of equal keys counts';
comment on column resource.schema_url is 'the semantic conventions that they follow; empty when it is not said';
comment on column resource.dropped_attributes_count is 'how many attributes the sender left out';
comment on view red_minute is 'Rate, errors and durations: one row a minute, operation and status.';
comment on column red_minute.minute is 'the spans began in the minute that begins here';
comment on column red_minute.service is 'the service that did it';
comment on column red_minute.name is 'what the operation is called';
comment on column red_minute.kind is 'unspecified, internal, server, client, producer, consumer, or a number that has no name';
comment on column red_minute.status is 'unset, ok, error, or a number that has no name';
comment on column red_minute.span_count is 'how many spans there are, exact copies counted once';
comment on column red_minute.error_count is 'how many of them have the status error: all or none';
comment on column red_minute.duration_sum_nano is 'all their durations together, in nanoseconds';
comment on column red_minute.duration_p50_nano is 'the duration that half of them do not exceed, in nanoseconds, within 1 %';
comment on column red_minute.duration_p95_nano is 'the duration that 95 % of them do not exceed, in nanoseconds, within 1 %';
comment on column red_minute.duration_p99_nano is 'the duration that 99 % of them do not exceed, in nanoseconds, within 1 %';
comment on column red_minute.histogram is
    'how many of them have which duration; any quantile of any group is red_quantile(red_merge(histogram), 0.95)';
