import unittest
from engine.plugins import strip


class StripTest(unittest.TestCase):
    def test_strip(self):
        self.assertEqual(strip.apply([{"a": " b "}]), [{"a": "b"}])
