"""The law of what a flow map makes of a Gaussian: its image in cells, and an independent Gaussian on top."""
