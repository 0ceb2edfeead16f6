"""A fuzzer: mutated logs and files, of which nothing may raise what a user would see as a traceback."""
