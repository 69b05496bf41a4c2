"""Search for the values of a model's keys, by validation only."""
