"""The read-only HTTP API of a store, and a typed client of it."""
