"""Background upkeep: unfinished work is finished or undone, and vectors match rows."""
