"""The narrow auto-encoder trained by online SGD: its learning, its generated densities, what follows from them."""
