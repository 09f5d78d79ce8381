"""How fast the engine is, as ratios to floors measured in the same run. Never a test: see README.md."""
