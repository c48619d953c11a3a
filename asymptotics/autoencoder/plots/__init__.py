"""What each result of the auto-encoder draws: lines from theory, points from experiment."""
