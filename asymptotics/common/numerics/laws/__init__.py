"""Laws that are given: spectra of data, Wishart matrices, χ², sample covariances; variates of the normal law."""
