"""The solution along τ: order parameters from stored polynomials, the skip connection, the loss, plateaus and stability."""
