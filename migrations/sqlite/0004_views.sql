-- The views as docs/sql.md tells them: `span` with the columns by which PostgreSQL's prunes, `trace` with the end that the
-- other answers name, the new `resource` and `sql_contract`. What SQLite has no type for is in 0001_spans.sql.

drop view trace;
drop view span;

-- Its name goes to the view.
alter table resource rename to resource_row;

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
    coalesce(s.dropped_links_count, 0) as dropped_links_count,
    strftime('%Y-%m-%d %H:00:00.000000', s.start_time / 1000000, 'unixepoch') as hour,
    strftime('%Y-%m-%d %H:%M:%S', s.start_time / 1000000, 'unixepoch')
        || printf('.%06d', s.start_time % 1000000) as start_time_min,
    strftime('%Y-%m-%d %H:%M:%S', s.start_time / 1000000, 'unixepoch')
        || printf('.%06d', s.start_time % 1000000) as start_time_max
from span_once s
-- An inner join, so that a condition on the service goes through its index in old versions too.
join service on service.service_id = s.service_id
left join resource_row resource on resource.resource_id = s.resource_id
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
                -- The trace ends with the latest end, unless that lies before its start.
                max(max(printf('%017d%03d', end_micro, end_nano)), min(printf('%017d%03d', start_time, start_nano)))
                    as end_digits,
                count(*) as span_count,
                count(*) filter (where status_code = 2) as error_count
            from span_once
            group by lower(hex(trace_id))
        )
    )
) t;

create view resource as
select
    service.name as service,
    resource_row.node as node,
    resource_row.attributes as attributes,
    resource_row.schema_url as schema_url,
    resource_row.dropped_attributes_count as dropped_attributes_count
from resource_row
left join service using (service_id);

-- Raised by one with whatever is added to the views; what they have is never taken away or changed.
create view sql_contract as select 1 as version;
