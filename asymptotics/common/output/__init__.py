"""What goes out: results, verdicts, plots."""
