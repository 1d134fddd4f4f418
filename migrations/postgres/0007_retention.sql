-- Retention: what is removed and when, and how rows that spans share (resource, scope, service, operation) go when no span
-- has them any more.

-- Spans that began before this day are gone, or go soon. No day before it gets a partition: what arrives for it all the
-- same is kept in the default ones, by its arrival.
alter table tier add column first_day date not null default '1970-01-01';

-- Goes up when rows that spans share are about to be removed, in the same transaction that closes a step. Whoever writes
-- spans under a later number vouches anew for each row that they need: it is there, or is inserted, and its `generation`
-- is this number. Once those who write under an earlier number are done, and so the spans of all who did not vouch can be
-- seen, a row with an earlier number that no span has is removed.
alter table tier add column dictionary_generation int not null default 0;
-- When that was done last.
alter table tier add column swept_time timestamptz not null default now();

alter table resource_row add column generation int not null default 0;
alter table scope add column generation int not null default 0;
alter table service add column generation int not null default 0;
alter table operation add column generation int not null default 0;

-- The first thing that a transaction does that writes spans: says which step they belong to and which rows it has to vouch
-- for, and keeps the step from being compacted before the transaction ends. Each statement of the function sees what is
-- committed by then: the step is asked for once more when its lock is there, since it may have been closed in between.
drop function open_step();
create function open_write(out step int, out generation int) language plpgsql as $$
begin
    loop
        select tier.open_step, tier.dictionary_generation into strict step, generation from tier;
        perform pg_advisory_xact_lock_shared(1953653091, step);
        exit when step = (select tier.open_step from tier);
    end loop;
end $$;

create table retention_log (
    removed_time timestamptz not null default now(),
    reason text not null,
    day date not null,
    span_count bigint not null,
    bytes bigint
);

create index retention_log_by_time on retention_log (removed_time);

comment on table retention_log is 'Which spans were removed, when and why: one row a day of spans. Kept for a year.';
comment on column retention_log.removed_time is 'when they were removed';
comment on column retention_log.reason is
    'age: they were older than --retention-age-days; size: the database was larger than --retention-bytes-max';
comment on column retention_log.day is 'the day (UTC) on which they began';
comment on column retention_log.span_count is 'how many they were, exact copies counted once';
comment on column retention_log.bytes is
    'how much smaller the database became at once, in bytes; null when the space is kept for later spans';
