#!/bin/bash
#SBATCH --job-name=hello
#SBATCH --cpus-per-task=1
#SBATCH --mem=200M
#SBATCH --time=5
#SCISERVER --image=python
# The smallest job: where it runs, as whom, and a sum that the standard library knows.
# Expected: ANSWER pi=3.14159265 (Ramanujan's series, its first two terms; error below 1e-8).
set -euo pipefail
echo "Hello from $(hostname), I am $(id -un), in $PWD"
python3 - <<'PYTHON'
from math import factorial, sqrt

terms = [factorial(4 * k) * (1103 + 26390 * k) / (factorial(k) ** 4 * 396 ** (4 * k)) for k in range(2)]
print(f"ANSWER pi={1 / (2 * sqrt(2) / 9801 * sum(terms)):.8f}")
PYTHON
