"""Campaigns that try to break pynn: `python tests/fuzz COMMAND`. Short, seeded forms of them run among the tests."""
