"""A local page on which every number of an experiment has a slider: ``asymptotics explore NAME`` (needs the extra ``explore``).

``knobs`` what has a slider · ``state`` the experiment as it stands, its answers and the ways to take it along · ``simulation`` the
full process beside it · ``page`` widgets and pictures · ``server`` the loopback server.
"""
