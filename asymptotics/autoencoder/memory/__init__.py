"""Training on a finite set with many passes: what is learned of the data, and what of the data set.

``losses`` the loss of a network on given samples · ``training`` one data set, its halves, its networks and what they generate ·
``result`` the ensemble · ``ensemble`` the simulation · ``comparison`` beside the one-pass theory.
"""
