"""What a flow makes of the noised training set: laws, quadrature over them, distances."""
