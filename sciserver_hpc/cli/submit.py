"""`sciserver-submit`: sbatch for the portal."""

from __future__ import annotations

from typing import Any

import click

from .verb import Verb, json_option

EPILOG = """\b
Examples:
  sciserver-submit -t 2:00:00 -c 4 --mem=8G job.sh
  sciserver-submit --wrap 'python3 -c "print(6 * 7)"' --image python -W
  sciserver-submit --param period=11 --volume sunspots analysis.ipynb
  sciserver-submit --parsable -a 0-99%10 sweep.sh --seed 1
  sciserver-submit --grid n=1,2,3 --wrap './fit --n "$PARAM_n"'
  job=$(sciserver-submit --parsable first.sh) && sciserver-submit -d afterok:$job second.sh

\b
Lines of the script that begin with #SBATCH or #SCISERVER, before its first
command, hold the same options; the command line wins over them.

\b
Exit codes: 0 submitted; 1 refused or failed; 2 not well formed; 75 the portal
does not answer, try again. With --wait: the job's own exit code, 128 + the
signal that ended it, or 1 when it ended without either.
"""


@click.command(
    "sciserver-submit", cls=Verb, context_settings={"allow_interspersed_args": False}, epilog=EPILOG
)
@click.option("-J", "--job-name", metavar="NAME", help="Name of the job; default: the file's name.")
@click.option("--domain", metavar="NAME", help="Compute domain; default: the first you may use.")
@click.option("-p", "--partition", metavar="NAME", help="Choose the compute domain by its partition.")
@click.option("-A", "--account", metavar="NAME", help="Choose the compute domain by its account.")
@click.option("-q", "--qos", metavar="NAME", help="Choose the compute domain by its QOS.")
@click.option("--image", metavar="NAME", help="Image to run in; default: the domain's first.")
@click.option("-t", "--time", metavar="TIME", help="Time limit: minutes, H:MM:SS or D-HH:MM:SS.")
@click.option("-c", "--cpus-per-task", metavar="N", help="CPUs per task.")
@click.option("-n", "--ntasks", metavar="N", help="Number of tasks.")
@click.option("-N", "--nodes", metavar="N", help="Number of nodes.")
@click.option("--mem", metavar="SIZE", help="Memory per node: 4G, 500M; megabytes without a letter.")
@click.option("--gres", metavar="gpu:N", help="GPUs per node.")
@click.option("--volume", metavar="NAME[:ro|:rw]", multiple=True, help="Mount a volume; may be repeated.")
@click.option(
    "--results", metavar="VOLUME", help="Volume for the job's folder; default: your scratch volume."
)
@click.option("-o", "--output", metavar="FILE", help="Name of the output file in the job's folder.")
@click.option("-e", "--error", metavar="FILE", help="Name of the error file in the job's folder.")
@click.option("-D", "--chdir", metavar="DIR", help="Working directory inside the image, in a volume.")
@click.option(
    "-d", "--dependency", metavar="afterok:ID", help="Start after other jobs (also afterany, afternotok)."
)
@click.option("-a", "--array", metavar="INDICES", help="Run once per index: 0-9, 1,3,5, 0-99%10.")
@click.option("--sweep", metavar="FILE", help="Run once per row of this CSV table; its first line has names.")
@click.option(
    "--grid", metavar="NAME=A,B,C", multiple=True, help="Run once per combination of values; may be repeated."
)
@click.option("--at-once", type=click.IntRange(1), metavar="N", help="Of a sweep: at most N tasks at once.")
@click.option("--wrap", metavar="COMMAND", help="Run this command line instead of a script.")
@click.option("--notebook", metavar="FILE", help="Run this notebook; a script named *.ipynb is one, too.")
@click.option(
    "--param", metavar="NAME=VALUE", multiple=True, help="Parameter of a notebook; may be repeated."
)
@click.option("--key", metavar="TEXT", help="Idempotency key: submitting again with it makes no second job.")
@click.option("-W", "--wait", is_flag=True, help="Wait for the job's end and take over its exit code.")
@click.option("--parsable", is_flag=True, help="Print the job's id only.")
@click.option("--test-only", is_flag=True, help="Ask Slurm when it would start; submit nothing.")
@click.option("--dry-run", is_flag=True, help="Show what Slurm would get; submit nothing.")
@json_option
@click.argument("script", required=False)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[ARGUMENTS]...")
def submit(**given: Any) -> None:
    """Submit a SCRIPT (default or "-": standard input), a command line (--wrap) or a notebook as a job.

    The job runs in an image on a compute node, as you. Its files, output and errors come into a folder of its
    own.
    """
    from .submission import run  # noqa: PLC0415 (loading it is slow, and --help needs none of it)

    run(given)
