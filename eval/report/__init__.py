"""Report: tables, plots, crops and significance, made from the rows of finished runs."""
