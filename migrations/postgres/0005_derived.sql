-- What is derived from the spans of the history, written in the transaction that moves them there: a row a trace, and
-- rollups by minute and by hour. The views over it are in 0006_views.sql.
--
-- The type and the functions that have a comment are for people who ask in SQL; the tables are ours to change.
--
-- A duration of 0 is in bucket 0. The other buckets go on from 1: one that begins at `first` stands for the duration
-- `first + first / 100` and ends where that is no longer within 1 %; the next begins after it, at `value + value / 99 + 1`.
-- All of it in whole numbers, so that every program finds the same bucket, which no logarithm of two libraries would do.
-- It is the idea of DDSketch (C. Masson, J. E. Rim, H. K. Lee: DDSketch: A Fast and Fully-Mergeable Quantile Sketch with
-- Relative-Error Guarantees, PVLDB 12(12), 2019). 2,050 buckets hold every duration that fits 63 bits.

-- One row a trace, of its spans in the history: the numbers of its summary, and what it takes to fold further spans in.
create table trace_row (
    -- The earliest start; start_nano has the 0 to 999 nanoseconds beyond.
    start_time timestamptz not null,
    -- From the earliest start to the latest end, 0 when that lies before: all 64 bits, those above 2^63 as negative.
    duration_nano bigint not null,
    -- The latest end, when it lies before the earliest start; else null.
    end_exact bigint,
    -- The root: the span without a parent that has the smallest key (start, span_id, digest). Null while there is none.
    root_operation_id bigint,
    root_start bigint,
    root_span_id bigint,
    root_digest bigint,
    -- When the latest of its spans arrived: whoever asks as of an earlier moment can not use the row.
    received_max timestamptz not null,
    -- The day (UTC) of the start as it was when the row was made. It never changes: it says where the row is.
    day date not null,
    span_count int not null,
    error_count int not null,
    start_nano smallint not null,
    trace_id uuid not null,
    -- The services that took part, and of each, how many spans it has and how many of them failed (null: none of any).
    service_ids bigint[] not null,
    span_counts int[] not null,
    error_counts int[],
    -- The history blocks that hold its spans.
    block_ids bigint[] not null
) partition by range (day);

-- The expression is the one of the views' trace_id, so that the same index serves whoever asks.
create index trace_row_by_trace on trace_row ((encode(uuid_send(trace_id), 'hex') collate "C"));

create index trace_row_by_start on trace_row (start_time);

-- Days that nobody made a partition for: clocks are wrong by years.
create table trace_row_default partition of trace_row default;

-- One row a minute, operation and status.
create table red_minute_row (
    minute timestamptz not null,
    -- Service, kind and name.
    operation_id bigint not null,
    duration_sum numeric not null,
    span_count bigint not null,
    status int not null,
    -- Which buckets have a duration, ascending, and how many. A count that an int can not hold is in two of the same.
    buckets smallint[] not null,
    counts int[] not null,
    primary key (minute, operation_id, status)
) partition by range (minute);

create table red_minute_row_default partition of red_minute_row default;

-- The same by hour, so that a day is read from 24 rows and not from 1,440.
create table red_hour_row (
    hour timestamptz not null,
    operation_id bigint not null,
    duration_sum numeric not null,
    span_count bigint not null,
    status int not null,
    buckets smallint[] not null,
    counts int[] not null,
    primary key (hour, operation_id, status)
) partition by range (hour);

create table red_hour_row_default partition of red_hour_row default;

select leave_unmeasured(relid) from unnest(array['trace_row', 'red_minute_row', 'red_hour_row']::regclass[]) as parted,
    pg_partition_tree(parted);

create type red_histogram as (buckets smallint[], counts bigint[]);

-- The functions have the buckets in them: a table would have to be asked for each span.
do $$
declare
    firsts constant bigint[] := array(
        with recursive buckets (first) as (
            select 1::numeric
            union all
            select following.first
            from buckets,
                lateral (select first + div(first, 100)) as representative (value),
                lateral (select value + div(value, 99) + 1) as following (first)
            where following.first <= 9223372036854775807
        )
        select first::bigint from buckets order by first);
begin
    execute format($function$
        create function red_buckets() returns bigint[]
        language sql immutable parallel safe
        return %L::bigint[]
        $function$, firsts);

    -- Which span it is, percentile_disc says as well: the first that has so many before it or with it.
    execute format($function$
        create function red_quantile(histogram red_histogram, quantile double precision) returns bigint
        language plpgsql immutable strict parallel safe
        as $body$
        declare
            buckets constant smallint[] := histogram.buckets;
            counts constant bigint[] := histogram.counts;
            total bigint := 0;
            rank bigint;
            first bigint;
        begin
            if quantile < 0 or quantile > 1 or quantile = 'nan' then
                raise invalid_parameter_value using message = 'a quantile lies between 0 and 1';
            end if;
            for i in 1 .. cardinality(counts) loop
                total := total + counts[i];
            end loop;
            rank := greatest(ceil(quantile * total), 1);
            for i in 1 .. cardinality(counts) loop
                rank := rank - counts[i];
                if rank <= 0 then
                    first := (%L::bigint[])[buckets[i]];
                    return coalesce(first + least(first / 100, 9223372036854775807 - first), 0);
                end if;
            end loop;
            return null;
        end
        $body$
        $function$, firsts);
end
$$;

-- Several histograms as one. A helper of red_merge and of the view, ours to change.
create function red_merged(parts red_histogram[]) returns red_histogram
language sql immutable strict parallel safe
return (
    select row(array_agg(bucket order by bucket), array_agg(count order by bucket))::red_histogram
    from (
        select bucket, sum(count)::bigint as count
        from unnest(parts) as part (buckets, counts), unnest(part.buckets, part.counts) as filled (bucket, count)
        group by bucket
    ) as added);

create aggregate red_merge(red_histogram) (
    sfunc = array_append,
    combinefunc = array_cat,
    stype = red_histogram[],
    finalfunc = red_merged,
    parallel = safe
);

comment on type red_histogram is
    'how many durations are in which bucket: one of the whole nanoseconds from 1 to 99 each, wider ones above';
comment on function red_buckets is
    'the durations, in nanoseconds, with which the buckets begin: a duration is in width_bucket(duration_nano, red_buckets())';
comment on function red_quantile is
    'a duration of the histogram, in nanoseconds: with 0.95 the one that 95 % of the spans do not exceed, within 1 %';
comment on aggregate red_merge(red_histogram) is 'several histograms as one';
