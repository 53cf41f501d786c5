#!/bin/bash
# SciServer's contract of an image: an interactive server, or one job, in any image.
#
#   startup.sh                                        JupyterLab on port 8888 with a token of its own
#   startup.sh --job --cwd DIR --cmdfile FILE         bash runs FILE; output is added to stdout.txt and stderr.txt
#   startup.sh --job --cwd DIR --notebook FILE        executes the notebook in place, stops at the first error
#
# The exit code is the job's.
set -u
cwd="" cmdfile="" notebook="" job=""
while [ $# -gt 0 ]; do
    case "$1" in
        --job) job=1 ;;
        --cwd | --cmdfile | --notebook)
            [ $# -ge 2 ] || { echo "startup.sh: $1 needs a value" >&2; exit 2; }
            printf -v "${1#--}" %s "$2"
            shift
            ;;
        *) echo "startup.sh: unknown option $1" >&2; exit 2 ;;
    esac
    shift
done

if [ -z "$job" ]; then
    cd "${cwd:-/home/idies/workspace}" || exit 97
    exec jupyter lab --no-browser --ip 127.0.0.1 --port 8888
fi
cd "${cwd:-.}" || exit 97
if [ -n "$cmdfile" ]; then
    exec bash "$cmdfile" >>stdout.txt 2>>stderr.txt
elif [ -n "$notebook" ]; then
    exec papermill "$notebook" "$notebook" >>stdout.txt 2>>stderr.txt
fi
echo "startup.sh: --job needs --cmdfile or --notebook" >&2
exit 2
