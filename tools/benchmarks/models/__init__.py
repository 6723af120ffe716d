"""Each model in one table: its speed, memory, and how well it tells voices and sounds apart."""
