"""The process itself: data sets, the fitted denoiser, and distances of what it generates."""
