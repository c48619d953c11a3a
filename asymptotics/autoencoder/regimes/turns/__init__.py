"""When the sampling flow, its score and the law of its fields turn."""
