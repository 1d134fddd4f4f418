-- What has been stored lately: a receipt for each request, written with its spans, by which the request is recognised
-- when it is sent again.
create table receipt (
    -- Made from the whole content of the request's spans, whatever their order.
    fingerprint blob primary key,
    -- When it was written, in milliseconds since 1970.
    received_time integer not null default (cast((julianday('now') - 2440587.5) * 86400000 as integer))
) strict, without rowid;

create index receipt_by_time on receipt (received_time);
