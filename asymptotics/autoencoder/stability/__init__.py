"""Fixed points of the training flow, growth at any state, the escape of runs from a saddle, and the law of typical runs."""
