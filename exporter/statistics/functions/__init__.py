"""Distribution functions. The library that has them all costs each sidecar a third of its start and 16 MB to import."""
