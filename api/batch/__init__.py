"""Jobs that go out together, at half the price and within a day, and come back into the same store.

A run plans (enqueue.py, plan.py); a person submits, watches and collects (manager.py, and what it is made of).
"""
