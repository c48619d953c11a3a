"""How the network learns: order parameters, errors, modes, with practised and with optimal settings, and on images."""
