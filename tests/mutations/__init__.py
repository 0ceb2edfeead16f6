"""Mutation testing of generated rules: one change at a time, and the generated tests must fail."""
