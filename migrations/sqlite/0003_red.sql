-- The view `red_minute`: rate, errors and durations by the minute, computed from the rows whenever it is asked. Columns
-- and numbers are those of the view in PostgreSQL, told in full in `docs/sql.md`. What SQLite has
-- no type for:
--
--   minute                 text, as start_time in the view span
--   duration_sum_nano      an integer; from 2^63 on, which only broken clocks reach, its digits as text
--   histogram              JSON as text: {"buckets": [...], "counts": [...]}

-- Which durations fall into which bucket, and which one stands for all of them; counted out as in PostgreSQL. A helper of
-- the view, ours to change.
create table red_bucket (
    bucket integer primary key,
    -- The shortest.
    first_nano integer not null,
    -- The one that is within 1 % of each.
    duration_nano integer not null
) strict;

insert into red_bucket (bucket, first_nano, duration_nano)
with recursive counted (bucket, first, duration) as (
    select 1, 1, 1
    union all
    select bucket + 1, duration + duration / 99 + 1,
        -- The last one stands for the longest duration: its own would not fit.
        case
            when duration + duration / 99 + 1 < 9150110443487142133
                then duration + duration / 99 + 1 + (duration + duration / 99 + 1) / 100
            else 9223372036854775807
        end
    from counted
    where duration < 9223372036854775807
)
select 0, 0, 0
union all
select bucket, first, duration from counted;

create index red_bucket_by_first on red_bucket (first_nano, bucket);

create view red_minute as
select
    strftime('%Y-%m-%d %H:%M:%S', minute * 60, 'unixepoch') || '.000000' as minute,
    service.name as service,
    red.name as name,
    case kind
        when 0 then 'unspecified'
        when 1 then 'internal'
        when 2 then 'server'
        when 3 then 'client'
        when 4 then 'producer'
        when 5 then 'consumer'
        else cast(kind as text)
    end as kind,
    case status
        when 0 then 'unset'
        when 1 then 'ok'
        when 2 then 'error'
        else cast(status as text)
    end as status,
    span_count,
    case when status = 2 then span_count else 0 end as error_count,
    -- The sums of seconds and of what is beyond: together they may not fit an integer.
    case
        when seconds + nanos / 1000000000 < 9223372036
            then (seconds + nanos / 1000000000) * 1000000000 + nanos % 1000000000
        when seconds + nanos / 1000000000 = 9223372036 and nanos % 1000000000 <= 854775807
            then 9223372036000000000 + nanos % 1000000000
        else printf('%d%09d', seconds + nanos / 1000000000, nanos % 1000000000)
    end as duration_sum_nano,
    (select duration_nano from red_bucket where bucket = bucket_p50) as duration_p50_nano,
    (select duration_nano from red_bucket where bucket = bucket_p95) as duration_p95_nano,
    (select duration_nano from red_bucket where bucket = bucket_p99) as duration_p99_nano,
    '{"buckets":[' || buckets || '],"counts":[' || counts || ']}' as histogram
from (
    select
        minute,
        service_id,
        name,
        kind,
        status,
        max(passed) as span_count,
        sum(seconds) as seconds,
        sum(nanos) as nanos,
        -- The first bucket with which so many have passed.
        min(bucket) filter (where passed * 100 >= total * 50) as bucket_p50,
        min(bucket) filter (where passed * 100 >= total * 95) as bucket_p95,
        min(bucket) filter (where passed * 100 >= total * 99) as bucket_p99,
        max(buckets) filter (where passed = total) as buckets,
        max(counts) filter (where passed = total) as counts
    from (
        select
            *,
            sum(span_count) over so_far as passed,
            sum(span_count) over (partition by minute, service_id, name, kind, status) as total,
            group_concat(bucket, ',') over so_far as buckets,
            group_concat(span_count, ',') over so_far as counts
        from (
            select
                start_time / 60000000 as minute,
                service_id,
                name,
                kind,
                coalesce(status_code, 0) as status,
                (select red_bucket.bucket from red_bucket
                    where red_bucket.first_nano <= span_once.duration_nano
                    order by red_bucket.first_nano desc limit 1) as bucket,
                count(*) as span_count,
                sum(duration_nano / 1000000000) as seconds,
                sum(duration_nano % 1000000000) as nanos
            from span_once
            group by 1, 2, 3, 4, 5, 6
        )
        window so_far as (partition by minute, service_id, name, kind, status order by bucket)
    )
    group by minute, service_id, name, kind, status
) as red
left join service using (service_id);
