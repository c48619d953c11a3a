"""Compiled functions of a derived system: moments over nodes or in closed form, flow, increments, the network itself."""
