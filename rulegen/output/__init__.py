"""Generated files: rendered, compared with what is on disk, written all or none."""
