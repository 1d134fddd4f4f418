"""What a PostgreSQL database has on disk, table by table and index by index; partitions count with their table."""

from . import databases

# A partition's parts under the names of its table's; an index that stands alone under its own.
PARTS = """
    with tables as (
        select c.oid, coalesce(i.inhparent, c.oid)::regclass::text as name, c.reltoastrelid
        from pg_class c left join pg_inherits i on i.inhrelid = c.oid
        where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace)
    select name, 'rows', sum(pg_table_size(oid) - coalesce(pg_total_relation_size(nullif(reltoastrelid, 0)), 0))
    from tables group by name
    union all
    select name, 'values kept apart (TOAST)', sum(pg_total_relation_size(reltoastrelid))
    from tables where reltoastrelid <> 0 group by name
    union all
    select name, 'index ' || coalesce(i.inhparent, x.indexrelid)::regclass, sum(pg_relation_size(x.indexrelid))
    from tables join pg_index x on x.indrelid = tables.oid left join pg_inherits i on i.inhrelid = x.indexrelid
    group by name, 2
    order by 1, 3 desc"""

LEAVES = """
    select string_agg(c.oid::regclass::text, ', ') from pg_class c
    where c.relkind = 'r' and c.relnamespace = 'public'::regnamespace"""


def tidy(url):
    """What autovacuum does within minutes, done at once: to each partition, never to the table that they are of."""
    leaves = databases.ask(LEAVES, url)
    databases.ask(f"vacuum (analyze) {leaves}", url)
    databases.ask("checkpoint", url)


def parts(url):
    """Bytes by table and part."""
    lines = databases.ask(PARTS, url).splitlines()
    return {(table, part): int(size) for table, part, size in (line.split("|") for line in lines)}
