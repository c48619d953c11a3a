"""Particles carried through a score: motion, start, end, what they say."""
