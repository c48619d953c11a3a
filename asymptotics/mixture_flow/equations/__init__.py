"""The theory in closed form and by integration: order parameters, discretised sampler, rates."""
