"""What comes in.

``checks`` one clear error for a bad argument · ``texts`` values that a user types (``1,2,3``, ``KEY=VALUE``, ``FIRST:LAST:COUNT``) ·
``settings`` a table of an experiment file · ``renamed`` earlier names of all these · ``expressions`` arithmetic as data ·
``data_files`` files known by their content.
"""
