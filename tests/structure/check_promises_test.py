"""check_promises.py finds what is not tested."""

import unittest

from check_promises import WORDS, faults, sentences


class Sentences(unittest.TestCase):
    def test_are_read_across_lines_and_comment_styles(self):
        text = """
/// Thread-safe. Usable on
/// any stream.
int f();  ///< May be captured

/* One thing.
 * Another one: (a graph). */
int g;
"""
        self.assertEqual(
            sentences(text),
            ["Thread-safe.", "Usable on any stream.", "May be captured", "One thing.", "Another one:", "(a graph)."],
        )

    def test_are_chosen_by_words(self):
        for said in ("Thread-safe.", "It is captured.", "Graphs too.", "on any stream", "CU_STREAM_PER_THREAD"):
            self.assertTrue(WORDS.search(said), said)
        self.assertFalse(WORDS.search("sums over all threads, upstream"))


class Faults(unittest.TestCase):
    SAID = {"x.hpp": ["Thread-safe.", "On any stream."]}

    def test_none(self):
        listed = [
            {"header": "x.hpp", "sentence": "Thread-safe.", "tests": ["A.B"]},
            {"header": "x.hpp", "sentence": "On any stream.", "promises_nothing": "a title"},
        ]
        self.assertEqual(faults(self.SAID, listed, {"A.B"}), [])

    def test_each_kind(self):
        listed = [
            {"header": "x.hpp", "sentence": "Thread-safe.", "tests": ["A.Gone"]},
            {"header": "x.hpp", "sentence": "No longer said.", "tests": ["A.B"]},
        ]
        found = faults(self.SAID, listed, {"A.B"})
        self.assertEqual(len(found), 3)
        self.assertIn("there is no test A.Gone", found[0])
        self.assertIn("no test is named for: On any stream.", found[1])
        self.assertIn("is listed and no longer said: No longer said.", found[2])
        self.assertEqual(len(faults({"x.hpp": ["S."]}, [{"header": "x.hpp", "sentence": "S."}], set())), 1)


if __name__ == "__main__":
    unittest.main()
