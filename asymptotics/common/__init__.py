"""Tools that the rooms share; they know no solvable system.

``input`` what comes in · ``output`` what goes out · ``numerics`` numbers and compiled code · ``running`` long work ·
``system`` the contract of a room, numbered for who adds one.
"""
