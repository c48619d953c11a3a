"""dΘ/dτ, dQ/dτ and db/dτ: coefficients, moments, the right-hand side compiled or by arrays, and its linearisation."""
