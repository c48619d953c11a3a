"""Streams of the random generator: what numbers are drawn for, so that no two uses meet."""

#: See `asymptotics.common.numerics.laws.normals`; the counter's step is the number of the sample.
BASE, TARGET, CLUSTER, TIME, ROW, INITIAL, LABEL = range(7)
