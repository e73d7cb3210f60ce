"""Every benchmark of the engine in turn: `make bench`. Options of each: python -m benchmarks.NAME --help."""

import subprocess
import sys

for name in ("counting", "dissection", "scaling"):
    subprocess.run([sys.executable, "-P", "-m", f"benchmarks.{name}", *sys.argv[1:]], check=True)
