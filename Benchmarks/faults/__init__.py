"""What faults.py runs: planted faults, healthy networks, and how their findings are judged."""
