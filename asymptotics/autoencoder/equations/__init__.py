"""The order-parameter equations: law of the local fields, drift, choice of nodes, integration, path."""
