"""From the equations to a path: nodes chosen, steps with their errors, and what all errors amount to."""
