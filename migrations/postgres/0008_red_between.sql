-- Rate, errors and durations of any time, cheap for long ones: whole hours come from rows of hours, of which a day has 24
-- where it has 1,440 of minutes; what is left at the edges from rows of minutes, and what is not history yet from its spans.

-- All that is rolled up, once by the hour and once by the minute, and what is hot by the minute. A view, so that who may
-- ask the function needs no right to the tables; only one `source` at a time makes sense.
create view red_part as
select
    source,
    begin_time,
    service.name as service,
    part.name,
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
    row(buckets, counts)::red_histogram as histogram
from (
    select 'hour' as source, hour as begin_time, service_id, name, kind, status, span_count, duration_sum, buckets,
        counts::bigint[]
    from red_hour_row
    join operation using (operation_id)
    union all
    select 'minute', minute, service_id, name, kind, status, span_count, duration_sum, buckets, counts::bigint[]
    from red_minute_row
    join operation using (operation_id)
    union all
    select 'hot', minute, service_id, name, kind, status, span_count, duration_sum, buckets, counts
    from red_minute_hot
) as part
join service using (service_id);

create function red_between(since timestamptz, until timestamptz default 'infinity')
returns table (
    service text,
    name text,
    kind text,
    status text,
    span_count bigint,
    error_count bigint,
    duration_sum_nano numeric,
    histogram red_histogram
)
language sql stable parallel safe
begin atomic
    select part.service, part.name, part.kind, part.status, part.span_count, part.error_count, part.duration_sum_nano,
        part.histogram
    from red_part as part
    where source = 'hour'
        and begin_time >= since
        -- The hours that are over by then.
        and begin_time < date_bin('1 hour', least(until, '200000-01-01 00:00:00+00'), '1970-01-01 00:00:00+00')
    union all
    select part.service, part.name, part.kind, part.status, part.span_count, part.error_count, part.duration_sum_nano,
        part.histogram
    from red_part as part
    where source = 'minute'
        and begin_time >= since
        -- Up to the first hour that begins at `since` or later.
        and begin_time < least(until, date_bin(
            '1 hour', greatest(since, '1970-01-01 00:00:00+00') + '3599.999999 s', '1970-01-01 00:00:00+00'))
    union all
    select part.service, part.name, part.kind, part.status, part.span_count, part.error_count, part.duration_sum_nano,
        part.histogram
    from red_part as part
    where source = 'minute'
        and begin_time < until
        and begin_time >= greatest(
            date_bin('1 hour', least(until, '200000-01-01 00:00:00+00'), '1970-01-01 00:00:00+00'),
            date_bin('1 hour', greatest(since, '1970-01-01 00:00:00+00') + '3599.999999 s', '1970-01-01 00:00:00+00'))
    union all
    select part.service, part.name, part.kind, part.status, part.span_count, part.error_count, part.duration_sum_nano,
        part.histogram
    from red_part as part
    where source = 'hot' and begin_time >= since and begin_time < until;
end;

comment on function red_between is
    'The rows of red_minute of the minutes that begin at the one time or later and before the other, those of an hour in one: '
    'add them up, and merge their histograms.';

create or replace view sql_contract as select 2 as version;
