"""Where code that isn't ours runs: in a child, with limits, and an account of what was enforced."""
