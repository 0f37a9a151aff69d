#!/usr/bin/env python
import os
import sys

total = 0
for where, _, names in os.walk(sys.argv[1] if len(sys.argv) > 1 else "."):
    for name in names:
        if name.endswith(".py"):
            with open(os.path.join(where, name), errors="replace") as fh:
                total += len(fh.readlines())
print(total)
