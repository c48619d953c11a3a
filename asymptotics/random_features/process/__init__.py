"""Networks in R^d, and samples of them."""
