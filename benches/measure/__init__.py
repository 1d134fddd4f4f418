"""What benches/ingest is made of: the databases, the programs that it runs, and the ceiling that it compares with."""
