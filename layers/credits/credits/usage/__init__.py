"""Usage: read models folded from ledger entries, and what is read from them. Deleted, they are rebuilt identically."""
