"""Room: a narrow denoising auto-encoder trained by online SGD, its generated density and its collapse."""
