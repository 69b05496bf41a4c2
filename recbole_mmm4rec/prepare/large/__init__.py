"""Interactions beyond memory: DuckDB numbers and sorts them on disk, everything else passes over them."""
