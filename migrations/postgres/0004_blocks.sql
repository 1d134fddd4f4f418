-- History: what was in `span_row` long enough, one row for up to 2,000 spans of one service and one hour.
--
-- A column of the spans is one array, or one text, of the block; what spans share stands once, in a dictionary inside
-- the block, and a span has its number there. Numbers count from 1, so that they are subscripts; 0 is none. The spans
-- are ordered by trace (by the first start that the trace has in the block, then by its id), and within it by their
-- keys. Texts are by the rule of the other tables.
--
-- Numbers of many digits are cut where their compressible part ends: lz4 finds nothing in less than four equal bytes.
create table span_block (
    -- A hash of the spans.
    block_id bigint not null,
    -- The hour, UTC, in which every span of the block starts.
    hour timestamptz not null,
    service_id bigint not null,
    -- Whole microseconds; the later bounds are rounded up.
    start_min timestamptz not null,
    start_max timestamptz not null,
    end_max timestamptz not null,
    received_min timestamptz not null,
    received_max timestamptz not null,
    duration_min bigint not null,
    duration_max bigint not null,
    span_count int not null,
    error_count int not null,
    -- Distinct, sorted.
    names text[] collate "C" not null,
    attribute_keys text[] collate "C" not null,
    -- Distinct.
    resource_ids bigint[] not null,
    -- How many bytes of text the spans have, before anything is shared.
    text_bytes int not null,
    -- A hash of all other columns as they are sent in the binary format: of this, null is a length of -1.
    checksum bigint not null,

    -- One a trace. `trace_end` is the number of its last span; the first one follows the last of the trace before.
    trace_ids uuid[] not null,
    trace_days date[] not null,
    trace_end smallint[] not null,
    -- 32 bits of a hash of the spans' digests, so that a trace that is read without the others can be checked too.
    trace_checks int[] not null,

    -- One a span. Eight bytes each; behind them the parents that the trace does not have in this block.
    span_ids bytea not null,
    -- 0 is none; from 16384 on, a parent behind the span ids, 16384 the first of them; else so many spans before (or,
    -- below 0, behind) this one.
    parent smallint[] not null,
    -- Nanoseconds since start_min: without the low 24 bits; bits 16 to 23; the low 16.
    start_hi int[] not null,
    start_mid "char"[] not null,
    start_lo smallint[] not null,
    -- Nanoseconds, cut in the same way.
    duration_hi bigint[] not null,
    duration_mid "char"[] not null,
    duration_lo smallint[] not null,
    resource smallint[] not null,
    shape smallint[] not null,
    received smallint[] not null,
    received_times timestamptz[] not null,
    -- These pairs are null when no span has any. The end, when it is not start and duration: unsigned nanoseconds as
    -- the signed number with the same bits.
    end_exact smallint[],
    ends_exact bigint[],
    status_message smallint[],
    status_messages text[],
    trace_state smallint[],
    trace_states text[],

    -- One a shape: what many spans have in common. A column of zeros is null.
    shape_name smallint[] not null,
    shape_kind int[] not null,
    shape_status int[],
    shape_scope bigint[] not null,
    shape_flags int[],
    shape_dropped_attributes int[],
    shape_dropped_events int[],
    shape_dropped_links int[],
    -- The attributes, as `format` takes them: what the shape's spans share in place, %s for what varies.
    shape_format text[] not null,
    -- `attributes_shape` of `span_row`; the column is null when each of them is.
    shape_exact bytea[],

    -- A line a span: what its %s stand for, JSON parted by tabs. JSON escapes both.
    attribute_values text not null,
    -- A line a span, JSON or nothing; null when no span has any.
    events text,
    links text
) partition by range (hour);

-- Random bytes are not worth a try to compress them.
alter table span_block alter column span_ids set storage external;

-- lz4 opens a block three times as fast as pglz, which is there when the server was built without it.
do $$
declare
    column_name name;
begin
    if not exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any (enumvals)) then
        return;
    end if;
    for column_name in
        select attname from pg_attribute
        where attrelid = 'span_block'::regclass and attnum > 0 and attlen = -1 and attstorage <> 'e'
    loop
        execute format('alter table span_block alter column %I set compression lz4', column_name);
    end loop;
end $$;

-- The newest block of a service, and of all; and the blocks of a trace, which its row names. Nothing needs a key that is unique
-- across partitions.
create index span_block_by_service on span_block (service_id, start_max);
create index span_block_by_time on span_block (start_max);
create index span_block_by_id on span_block (block_id);

-- Blocks that may be merged: of few spans, and of few bytes.
create index span_block_small on span_block (hour, service_id, span_count) include (block_id, start_min)
    where span_count <= 1000 and text_bytes <= 1048576;

-- Days that nobody made a partition for: clocks are wrong by years.
create table span_block_default (like span_block including storage including compression);
alter table span_block attach partition span_block_default default;

-- Leaves a table's long columns out of its statistics. No plan depends on them, and to measure an array takes PostgreSQL
-- longer than it took to make it: for a day of blocks, again and again, as long as all of their compaction.
create function leave_unmeasured(stored regclass) returns void language plpgsql as $$
declare
    column_name name;
begin
    for column_name in
        select attname from pg_attribute where attrelid = stored and attnum > 0 and not attisdropped and attlen = -1
    loop
        execute format('alter table %s alter column %I set statistics 0', stored, column_name);
    end loop;
end $$;

select leave_unmeasured('span_block');
select leave_unmeasured('span_block_default');

-- Gives back the array. Its cost tells the planner what opening a block costs, so that it asks everything else first.
create function opened(stored anyarray) returns anyarray
    language plpgsql immutable strict parallel safe cost 5000
as $$ begin return stored; end $$;
