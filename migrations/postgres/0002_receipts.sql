-- What has been stored lately: a receipt for each request, written with its spans, by which the request is recognised
-- when it is sent again.
create table receipt (
    -- Made from the whole content of the request's spans, whatever their order.
    fingerprint bytea primary key,
    -- When the transaction that wrote it began, by the database's clock.
    received_time timestamptz not null default now()
);

create index receipt_by_time on receipt (received_time);
