import unittest

from deploy.plan import plan


class PlanTest(unittest.TestCase):
    def test_nothing(self):
        self.assertEqual(plan([], [], "k"), [])

    def test_add(self):
        self.assertEqual(plan([], [{"k": 1}], "k"), [("add", 1, {})])
