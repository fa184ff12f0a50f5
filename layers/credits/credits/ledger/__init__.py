"""The ledger: the only code that writes balances. `post` is its one door; `read` and `audit` look."""
