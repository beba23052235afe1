"""Every quote we gave and what came of it: spool, database, outcomes."""
