-- Version 2 of the contract adds a function, which SQLite has no place for; the version is one on both engines.

drop view sql_contract;

create view sql_contract as select 2 as version;
