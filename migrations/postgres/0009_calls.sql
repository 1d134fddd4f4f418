-- Who calls whom: calls counted by the minute, written in the transaction that makes history of the spans.
--
-- A call is a span whose parent is there, or one that takes a message whose sender, which a link names, is there. Of spans
-- that share an id, the server's calls, then the one that begins first.

create table call_minute_row (
    -- In which the span that is called begins.
    minute timestamptz not null,
    -- The services that call and are called.
    caller_id bigint not null,
    called_id bigint not null,
    call_count bigint not null,
    -- Of how many the span that is called has the status error.
    error_count bigint not null,
    primary key (minute, caller_id, called_id)
) partition by range (minute);

create table call_minute_row_default partition of call_minute_row default;

-- Messages that spans of the history took, by who sent them: a sender that comes later, or a span of the same id that is
-- the sender rather, changes what they count for. Not by day, since they are looked up by the sender alone.
create table message_row (
    -- The span that sent them.
    trace_id uuid not null,
    span_id bigint not null,
    -- In which the spans begin that took them, and their service.
    minute timestamptz not null,
    called_id bigint not null,
    -- The sender's service, and the day on which it begins; null while it is not there.
    caller_id bigint,
    caller_day date,
    message_count int not null,
    error_count int not null,
    primary key (trace_id, span_id, minute, called_id)
);

-- Hours of the history whose calls were not counted when it was made.
create table call_uncounted (hour timestamptz primary key);

insert into call_uncounted select distinct hour from span_block;

-- The first step whose calls are not counted. While it is not `first_hot_step`, a program of the version before makes
-- history and counts none: then nothing that is history by now can be relied on. All of it is counted anew.
alter table tier add column calls_step int;
update tier set calls_step = first_hot_step;

create function mark_uncounted_calls() returns trigger language plpgsql as $$
begin
    insert into call_uncounted select distinct hour from span_block on conflict do nothing;
    delete from message_row;
    new.calls_step := new.first_hot_step;
    return new;
end $$;

create trigger mark_uncounted_calls before update of first_hot_step on tier
    for each row when (new.calls_step is distinct from new.first_hot_step) execute function mark_uncounted_calls();
