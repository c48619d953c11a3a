"""Numbers: Gaussian expectations, normal variates, closed forms, spectra, distances, transport, generated code."""
