"""How well a library tells voices and sounds apart: figures, their intervals, and trials."""
