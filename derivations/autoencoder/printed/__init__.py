"""What a derivation prints: its report, where sources slip, and the equations as source code."""
