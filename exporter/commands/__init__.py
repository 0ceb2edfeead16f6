"""The commands of mlslo-exporter, each in a file of its own that is imported when it is called."""
