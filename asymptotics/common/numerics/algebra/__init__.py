"""Small symmetric matrices: spectra, roots, ranks."""
