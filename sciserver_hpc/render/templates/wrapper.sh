# shellcheck shell=bash disable=SC2154 # the head assigns them
# Above: the job's own values, quoted. Below: the same for every job; bash, coreutils and apptainer, curl if there.
# Exits of its own: 92 no row of the sweep, 93 a session's gate, app or service, 94 no scratch space, 95 image changed, 96 refused, 97 no job folder, 98 end not written, 0 second
# copy. Few external commands: each costs a fork, and the job waits.

PATH=${PATH:+$PATH:}/usr/local/bin:/usr/bin:/bin
export PATH HOME=${HOME:-~} # unset, ~ is the home of the account
umask 077

readonly slurm_id=${SLURM_ARRAY_JOB_ID:-$SLURM_JOB_ID}
readonly task=${SLURM_ARRAY_TASK_ID:-}
readonly restarts=${SLURM_RESTART_COUNT:-0}
scratch=
started=
in_container=false
notebooks=()
row=()
relay=()
child=
start_in=$folder

# Slurm goes on in /tmp when it cannot change directory.
if ! cd -- "$folder"; then
    echo "The job folder $folder cannot be entered on ${HOSTNAME}. Is its filesystem mounted there?"
    exit 97
fi

say() {
    printf '%s\n' "$*"
}

utc_now() { # utc_now VARIABLE
    TZ=UTC0 printf -v "$1" '%(%Y-%m-%dT%H:%M:%SZ)T' -1
}

# Readers of FILE see the old text or the whole new one, also after a crash of the node.
replace() { # replace FILE TEXT
    printf '%s\n' "$2" >"$1.$SLURM_JOB_ID" && sync -- "$1.$SLURM_JOB_ID" && mv -fT -- "$1.$SLURM_JOB_ID" "$1"
}

json_string() { # json_string VARIABLE TEXT
    local LC_ALL=C text=${2:0:900}
    text=${text//[^ -~]/?}
    text=${text//\\/\\\\}
    printf -v "$1" '"%s"' "${text//\"/\\\"}"
}

# CPU seconds of this shell's children, from the second line of `times`: `1m2.345s 0m0.100s`.
cpu_seconds() { # cpu_seconds VARIABLE
    local user system part rest total=0
    times >"$scratch/times"
    { read -r _ && read -r user system; } <"$scratch/times"
    for part in "$user" "$system"; do
        rest=${part#*m}
        total=$((total + ${part%m*} * 60000 + 10#${rest//[!0-9]/}))
    done
    printf -v "$1" '%d.%03d' $((total / 1000)) $((total % 1000))
}

# The most memory the kernel ever counted for this job, its page cache included, in the cgroup that Slurm made for
# it (v1 or v2, whose memory.peak is of Linux 5.19); null where it made none or nothing can be read.
memory_peak() { # memory_peak VARIABLE
    local controllers cgroup file peak=null
    while IFS=: read -r _ controllers cgroup; do
        cgroup+=/
        [[ $cgroup == */job_"$SLURM_JOB_ID"/* ]] || continue
        cgroup=${cgroup%/job_"$SLURM_JOB_ID"/*}/job_$SLURM_JOB_ID
        case $controllers in
            memory) file=/sys/fs/cgroup/memory$cgroup/memory.max_usage_in_bytes ;;
            '') file=/sys/fs/cgroup$cgroup/memory.peak ;;
            *) continue ;;
        esac
        { read -r peak <"$file"; } 2>/dev/null
        [[ $peak =~ ^[1-9][0-9]*$ ]] && break
        peak=null
    done </proc/self/cgroup
    printf -v "$1" '%s' "$peak"
}

# Put how it went into the provenance record, whose last key is "run".
add_run() { # add_run CODE CAUSE
    local text ended cpu memory run
    text=$(<provenance.json)
    utc_now ended
    cpu_seconds cpu
    memory_peak memory
    run="{\"slurm_id\": $SLURM_JOB_ID, \"array_task\": ${task:-null}, \"restarts\": $restarts,\
 \"node\": \"${SLURMD_NODENAME:-$HOSTNAME}\", \"container\": $in_container,\
 \"started_at\": \"$started\", \"ended_at\": \"$ended\", \"elapsed_s\": $SECONDS, \"cpu_s\": $cpu,\
 \"memory_peak_bytes\": $memory, \"exit_code\": $1, \"cause\": \"$2\"}"
    replace "provenance${task:+.$task}.json" "${text%'"run": '*}\"run\": $run
}"
}

write_end() { # write_end CODE CAUSE MESSAGE
    local message
    json_string message "$3"
    replace ".sciserver/end${task:+.$task}.json" "{\"exit_code\": $1, \"slurm_id\": $slurm_id,\
 \"restarts\": $restarts, \"cause\": \"$2\", \"message\": $message}"
}

leave() { # leave CODE
    [[ -z $scratch ]] || rm -rf --one-file-system -- "$scratch"
    exit "$1"
}

# The last act of every job that was not a second copy. Nothing ends as success that could not be written down.
finish() { # finish CODE CAUSE MESSAGE
    [[ -z $3 ]] || say "$3"
    if { [[ -n $started ]] && ! add_run "$1" "$2"; } || ! write_end "$@"; then
        say "The end of this job could not be written to $folder. Is the filesystem full, or the quota used up?"
        write_end 98 no_space "The job folder could not be written to: disk full or quota used up."
        leave 98
    fi
    leave "$1"
}

claim_by_folder() {
    local holder
    ln -sT -- "$slurm_id" .sciserver/claim 2>/dev/null && return
    holder=$(readlink -- .sciserver/claim)
    [[ $holder == "$slurm_id" ]] && return
    if [[ -z $holder ]]; then
        finish 98 no_space "The job folder could not be written to: disk full, quota used up or access lost."
    fi
    say "Job $holder is already running this; this second copy ends without doing anything."
    leave 0
}

ask_portal() { # ask_portal PATH
    [[ -n $claim_url ]] && command -v curl >/dev/null || return 0
    curl -q --silent --show-error --connect-timeout 2 --max-time 5 --noproxy '*' \
        ${ca_file:+--cacert "$ca_file"} --header @.sciserver/claim.header \
        --data "uuid=$uuid&slurm_id=$slurm_id&restarts=$restarts&task=$task&node=${SLURMD_NODENAME:-}" \
        "$claim_url/api/v1/$1"
}

obey_portal() { # obey_portal VERDICT REASON
    case $1 in
        run) ;;
        duplicate)
            say "The portal says that another copy of this job runs; this one ends without doing anything."
            leave 0
            ;;
        refused) finish 96 refused "The portal refused the start: $2" ;;
        '') [[ -z $claim_url ]] || say "The portal gave no answer; going on, since the job folder shows no other copy." ;;
        *) say "The portal's answer is none of its words; going on, since the job folder shows no other copy." ;;
    esac
}

verify_image() { # verify_image FILE NAME SHA256 UNCHANGED
    local now digest
    now=$(stat --dereference --format='%s %.9Y' -- "$1" 2>/dev/null)
    [[ -n $4 && $now == "$4" ]] && return
    read -r digest _ < <(sha256sum <"$1")
    [[ $digest == "$3" ]] && return
    finish 95 image_changed "The file of image $2 is missing, or differs from what the job was given;\
 submit the job again, and tell an administrator if it happens again."
}

verify_images() {
    local number
    verify_image "$image" "$image_name" "$image_sha256" "$image_unchanged"
    [[ -n $session ]] || return 0
    for number in "${!services[@]}"; do
        verify_image "${service_images[number]}" "${service_image_names[number]}" "${service_sha256s[number]}" \
            "${service_unchanged[number]}"
    done
}

# Node-local, so that an image's caches and temporary files stay off the shared filesystem. One mkdir, whose first
# argument must not exist: nobody can have prepared it.
make_scratch() {
    local base=${TMPDIR:-/tmp}/sciserver-$SLURM_JOB_ID-$restarts-$RANDOM$RANDOM
    if ! mkdir -- "$base" "$base/home" "$base/work" "${mount_points[@]/#/$base/home/}"; then
        finish 94 no_scratch "No room for temporary files on node $HOSTNAME; submit the job again."
    fi
    scratch=$base
}

# The task's line of a sweep (see render/sweep.py).
read_row() {
    mapfile -t -s "$task" -n 1 row <"$sweep"
    [[ -n ${row[0]-} ]] || finish 92 sweep "There is no row for task $task in $folder/$sweep."
}

# Its values, as variables. Nothing of them is read as shell text.
export_row() { # export_row PREFIX
    local pairs pair value
    IFS=$'\t' read -r -a pairs <<<"${row[0]}"
    for pair in "${pairs[@]}"; do
        printf -v value '%b' "${pair#*=}"
        export "$1${pair%%=*}=$value"
    done
}

# Variables of the outside do not reach the image, except those named here.
fill_environment() { # fill_environment PREFIX
    local name entry
    for name in "${!APPTAINER@}" "${!SINGULARITY@}"; do
        [[ $name == apptainer ]] || unset -v "$name"
    done
    for name in SLURM_{JOB_ID,ARRAY_JOB_ID,ARRAY_TASK_ID,ARRAY_TASK_COUNT,CPUS_PER_TASK,NTASKS,JOB_NODELIST} \
        SLURM_{JOB_NUM_NODES,MEM_PER_NODE,RESTART_COUNT} CUDA_VISIBLE_DEVICES; do
        [[ -z ${!name+set} ]] || export "$1$name=${!name}"
    done
    for entry in "${environment[@]}"; do
        export "$1$entry"
    done
    [[ -n $session ]] || export "$1SCISERVER_RESULT=$payload_folder/result${task:+.$task}.json"
    [[ -z $sweep || -n $notebook_stem ]] || export_row "$1"
}

command_in_image() {
    fill_environment APPTAINERENV_
    export APPTAINER_CONFIGDIR=$scratch/work APPTAINER_CACHEDIR=$scratch/work APPTAINER_TMPDIR=$scratch/work
    printf '%s/' "$payload_folder" >"$scratch/home/job.path"
    printf '%s/' "$results_target" >"$scratch/home/jobs.path"
    run=("$apptainer" --quiet exec "${exec_options[@]}" --home "$scratch/home:$home" --workdir "$scratch/work" "$image")
}

command_on_host() {
    say "Without a container: this site has no Apptainer, so the job runs directly on ${HOSTNAME}."
    fill_environment ''
    run=()
    start_in=$payload_workdir
}

# The source stays as it was submitted: papermill writes its result in place, and a kill may cut that short.
name_notebooks() {
    local name=$notebook_stem$notebook_suffix source=.sciserver/source.ipynb
    if [[ -n $task ]]; then
        source=$name name=$notebook_stem.$task$notebook_suffix
    elif [[ ! -e $source ]]; then
        cp -- "$name" "$source" || finish 98 no_space "The notebook could not be copied in the job folder."
    fi
    [[ -z $sweep ]] || name_row
    notebooks+=("$payload_folder/$source" "$payload_folder/$name")
}

# By a file on the node, since others see the words of a command line.
name_row() {
    local file=$scratch/home/.parameters.json
    printf '%s\n' "${row[0]}" >"$file"
    if $in_container; then file=$home/.parameters.json; fi
    notebooks=(-f "$file")
}

# shellcheck disable=SC2317 # called by trap
forward() { # forward SIGNAL
    interrupted=1
    kill -s "$1" "$child" 2>/dev/null
}

start_payload() {
    local stdout=$folder/$stdout_stem${task:+.$task}$stdout_suffix
    local stderr=$folder/$stderr_stem${task:+.$task}$stderr_suffix
    umask 022
    { cd -- "$start_in" && exec "${relay[@]}" "${run[@]}" "${payload[@]}" "${notebooks[@]}"; } </dev/null >>"$stdout" 2>>"$stderr" &
    child=$!
    umask 077
}

# A signal ends `wait` early, with a code of its own; ask again until it was the payload that ended.
run_payload() {
    start_payload
    trap 'forward TERM' TERM
    trap 'forward USR1' USR1
    interrupted=1
    while ((interrupted)); do
        interrupted=0
        wait "$child"
        code=$?
    done
    trap '' TERM USR1
}

# A session's door (decision 14): it runs outside the image and says one word a line.
open_gate() {
    if ! mkdir -- "$scratch/home/.session" || ! mkfifo -- "$scratch/words"; then
        finish 94 no_scratch "No room for temporary files on node $HOSTNAME; start the session again."
    fi
    python3 -I -S .sciserver/gate.py .sciserver/gate.json "$scratch/home/.session" .sciserver/session.json \
        >"$scratch/words" 2>>.sciserver/gate.log &
    gate=$!
    heed_gate <"$scratch/words" >>.sciserver/save.log 2>&1 &
    heeding=$!
}

heed_gate() {
    local word hook
    while read -r word; do
        case $word in
            ready) ask_portal sessions/ready >/dev/null ;;
            save)
                if [[ -n $save ]]; then
                    "${run[@]}" "${save_payload[@]}" </dev/null &
                    hook=$!
                    trap 'kill -s KILL "$hook"; exit' TERM # it took too long, or the gate had to leave
                    wait "$hook"
                    trap - TERM # the number may be another's soon
                fi
                : >"$scratch/home/.session/saved"
                ;;
        esac
    done
}

# An app that can serve a port alone gets a network of its own, with no way out; its relay joins port and socket.
enclose_port() {
    relay=(unshare --user --map-current-user --keep-caps --net -- python3 -I -S "$folder/.sciserver/port_relay.py"
        "$app_port" "$scratch/home/.session/use.sock")
}

alive() { # alive PID
    kill -0 "$1" 2>/dev/null
}

# Ends PID: by TERM, or by KILL ten seconds later.
end_process() { # end_process PID
    local left=100
    kill -s TERM "$1" 2>/dev/null
    while alive "$1" && ((left-- > 0)); do sleep 0.1; done
    kill -s KILL "$1" 2>/dev/null
    wait "$1" 2>/dev/null
}

# The services beside the app (decision 14): each in its image, with what the app sees, in a network without any way
# in or out. Each begins once the one before it made its file; false where something ended before that.
start_services() {
    local number in_image=("${run[@]:0:${#run[@]}-1}")
    for number in "${!services[@]}"; do
        awaited=${services[number]}
        { cd -- "$start_in" && exec unshare --user --map-current-user --net -- "${in_image[@]}" \
            "${service_images[number]}" /bin/bash "$payload_folder/.sciserver/service.$awaited.sh"; } \
            </dev/null >>"$folder/service.$awaited.txt" 2>&1 &
        parts+=("$!")
        until [[ -e $scratch/home/.session/$awaited.ready ]]; do
            all_alive || return
            sleep 0.1
        done
    done
    awaited=
}

all_alive() {
    local one
    for one in "${parts[@]}"; do alive "$one" || return; done
}

# Until gate, app or a service ends: the others then end too, and of the services the last one first.
run_session() {
    local awaited='' number parts
    open_gate
    parts=("$gate") # then the services, then the app
    trap 'kill -s TERM "$gate"' TERM
    trap 'kill -s USR1 "$gate"' USR1
    if start_services; then
        [[ -z $app_port ]] || enclose_port
        start_payload
        parts+=("$child")
        while all_alive; do wait -n "${parts[@]}"; done
    fi
    trap '' TERM USR1
    judge_session
    for ((number = ${#services[@]}; number > 0; number--)); do
        [[ -z ${parts[number]-} ]] || end_process "${parts[number]}"
    done
}

# Why it ended: the gate says so by its code, unless the app or a service ended by itself.
judge_session() {
    local dead='' died number
    for number in "${!services[@]}"; do
        if [[ -z ${parts[number + 1]-} ]] || alive "${parts[number + 1]}"; then continue; fi
        dead=${services[number]}
        wait "${parts[number + 1]}"
        died=$?
        break
    done
    if alive "$gate"; then
        end_process "$gate"
        end_process "$heeding"
        if [[ -z $dead ]]; then
            wait "$child"
            code=$?
            return
        fi
        code=93
    else
        wait "$gate"
        code=$?
        end_process "$heeding"
    fi
    [[ -z $child ]] || end_process "$child"
    case $code in
        10 | 143) code=0 cause=stopped ;; # 143: by TERM before it could heed it
        11) code=0 cause=idle ;;
        12) code=0 cause=time ;;
        13) code=93 cause=not_ready message=${awaited:+"Its service $awaited was not ready in time."} ;;
        14) code=93 cause=app_gone ;;
        93) ;;
        *) code=93 cause=gate message="The session's gate ended with code $code; .sciserver/gate.log says more." ;;
    esac
    if [[ -n $dead ]] && ((code)); then
        cause=service message="Service $dead ended with code $died${awaited:+ before it was ready}; service.$dead.txt says more."
    fi
}

# 255 is also what apptainer itself ends with when it cannot start a container, saying FATAL.
why_255() { # why_255 STDERR
    if [[ -n $apptainer && $(tail --bytes=4096 -- "$1" 2>/dev/null) == *FATAL:* ]]; then
        cause=container
        message="Image $image_name could not be started on node $HOSTNAME; the error output says why."
    fi
}

claim_by_folder
exec {portal}< <(ask_portal jobs/claim)
[[ -z $apptainer ]] || verify_images
[[ -z $sweep ]] || read_row
make_scratch
IFS= read -r verdict <&"$portal"
IFS= read -r reason <&"$portal"
exec {portal}<&-
obey_portal "${verdict%$'\r'}" "${reason%$'\r'}"

if [[ -n $apptainer ]]; then
    in_container=true
    command_in_image
else
    command_on_host
fi
[[ -z $notebook_stem ]] || name_notebooks
utc_now started
SECONDS=0
cause=
message=
if [[ -n $session ]]; then run_session; else run_payload; fi
((code != 255)) || why_255 "$folder/$stderr_stem${task:+.$task}$stderr_suffix"
finish "$code" "$cause" "$message"
