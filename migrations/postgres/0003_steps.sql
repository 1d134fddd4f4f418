-- Spans arrive in steps. A step is a partition of `span_row`: one is open and takes what comes; those before it are
-- closed, and never change. Compaction takes the oldest closed one, makes history of it, and in the same transaction
-- moves `first_hot_step` past it: whoever reads goes by that number in its own snapshot, so rows are seen in one
-- place, never in two or none. The partition itself is dropped a while later, when no old snapshot looks at it.
--
-- A step is a number, not a time: nothing depends on anybody's clock.

create table tier (
    is_only boolean primary key default true check (is_only),
    -- Rows of earlier steps are in history; their partitions may still be there, and are not looked at.
    first_hot_step int not null,
    -- Takes what arrives now.
    open_step int not null
);

comment on table tier is 'Which steps of span_row count, and which one is open; one row.';

insert into tier (first_hot_step, open_step) values (0, 1);

-- What became of each step that still has a partition.
create table step (
    step int primary key,
    closed_time timestamptz,
    compacted_time timestamptz
);

-- The rows that are there become step 0.
drop view trace;
drop view span;
alter table span_row add column step int not null default 0;
alter table span_row alter column step drop default;
alter table span_row rename to span_row_0;
alter index span_row_by_trace rename to span_row_0_by_trace;
alter index span_row_by_service rename to span_row_0_by_service;

create table span_row (like span_row_0 including defaults including comments) partition by list (step);

-- The expression is the one of the view's trace_id, so that the same index serves whoever asks.
create index span_row_by_trace on span_row ((encode(trace_id, 'hex') collate "C"));

create index span_row_by_service on span_row (service_id, start_time);

alter table span_row attach partition span_row_0 for values in (0);
insert into step (step, closed_time) values (0, now());

-- Makes the partition of a step. It is attached, not created in place: that would wait for every reader.
create function make_step(step int) returns void language plpgsql as $$
begin
    execute format('create table span_row_%s (like span_row including defaults)', step);
    execute format('alter table span_row attach partition span_row_%s for values in (%s)', step, step);
    insert into step (step) values (make_step.step);
end $$;

select make_step(1);
select make_step(2);

-- The first thing that a transaction does that writes spans: says which step they belong to, and keeps it from being
-- compacted before the transaction ends. Each statement of the function sees what is committed by then: the step is
-- asked for once more when its lock is there, since it may have been closed in between.
create function open_step() returns int language plpgsql as $$
declare
    found int;
begin
    loop
        select tier.open_step into strict found from tier;
        perform pg_advisory_xact_lock_shared(1953653091, found);
        exit when found = (select tier.open_step from tier);
    end loop;
    return found;
end $$;

-- Closes the open step; the next one is there already, and the one after it is made. Who compacts the closed one takes
-- its lock first, and so waits for those who still write to it.
create function close_step() returns int language plpgsql as $$
declare
    closed int;
begin
    select tier.open_step into strict closed from tier for update;
    perform make_step(closed + 2);
    update tier set open_step = closed + 1;
    update step set closed_time = now() where step.step = closed;
    return closed;
end $$;
