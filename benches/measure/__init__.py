"""What benches/ingest and benches/storage are made of: the databases, the programs that they run, the machine they name;
and what only one of them needs: the ceiling of the ingest, the sizes and the questions of the storage."""
