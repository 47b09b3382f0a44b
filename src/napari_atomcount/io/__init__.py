"""Files: readers, tables, figures."""
