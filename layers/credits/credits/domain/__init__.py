"""The rules of credits: pure functions over books, the catalog and `now`. Standard library only."""
