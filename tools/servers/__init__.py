"""Real servers and programs that tests and benchmarks share: installed, started, measured."""
