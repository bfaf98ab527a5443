"""Options: their table, how values are read, help, completion."""
