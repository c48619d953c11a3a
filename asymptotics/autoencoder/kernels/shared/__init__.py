"""What the right-hand sides of all denoisers share, compiled once: laws of the fields, nodes of every condition, assembly."""
