-- Retention: what is removed and when.

-- Up to which row spans had arrived when, in milliseconds since 1970. Written now and then, so that it is known of a row
-- that it arrived before some time.
create table arrival_mark (
    time integer primary key,
    arrival integer not null
) strict;

-- Which spans were removed, when and why: one row a day of spans. Kept for a year.
create table retention_log (
    -- Text, as in the view span.
    removed_time text not null,
    -- age: they were older than --retention-age-days; size: the file was larger than --retention-bytes-max.
    reason text not null,
    -- The day (UTC) on which they began, YYYY-MM-DD.
    day text not null,
    -- How many they were, exact copies counted each.
    span_count integer not null,
    primary key (removed_time, reason, day)
) strict, without rowid;
