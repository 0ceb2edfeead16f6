"""The commands of mlslo-rulegen, each in a file of its own that is imported when it is called."""
