# SPDX-License-Identifier: Apache-2.0
# Copyright (c) 2026 The ovs-dpdkvdpa authors
# shellcheck shell=bash
#
# dpdkvdpa-lib.sh
# ===============
#
# What the project's scripts share: steps and progress on the screen, huge
# pages that are given back, and the build of a clone.  To be sourced by bash,
# under "set -e" or not:
#
#     . "$(dirname "$0")/utilities/dpdkvdpa-lib.sh"
#     dpdkvdpa_step "Reserving huge pages"
#     dpdkvdpa_hugepages_take 1024
#     trap dpdkvdpa_hugepages_release EXIT
#
# All functions print what they have to say to stderr, so that stdout is the
# caller's.  All return 0 or, after an error message, 1, if nothing else is
# said.  Nothing here sets a trap: the caller knows what else it has to undo.
#
# Environment: DPDKVDPA_CACHE is the directory of what is fetched and built
# once for all clones.

: "${DPDKVDPA_CACHE:=/var/cache/ovs-dpdkvdpa}"
export DPDKVDPA_CACHE

# The elapsed time counts from the outermost script's start.
: "${DPDKVDPA_T0:=$(date +%s)}"
export DPDKVDPA_T0

# What dpdkvdpa_build builds with: configure's default looks there too.
DPDKVDPA_OVS_DIR=$DPDKVDPA_CACHE/openvswitch

# Top of the clone that this file belongs to, and its build directory.
DPDKVDPA_TOP=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

# dpdkvdpa_elapsed
#     Prints, to stdout, the seconds since the outermost script's start.
dpdkvdpa_elapsed() {
    echo $(($(date +%s) - DPDKVDPA_T0))
}

# dpdkvdpa_step TEXT...
#     Says which step begins now, with the elapsed time.
dpdkvdpa_step() {
    printf '[%4d s] %s\n' "$(dpdkvdpa_elapsed)" "$*" >&2
}

# dpdkvdpa_error TEXT...
#     Says what went wrong.  Returns 1, so that "dpdkvdpa_error ... || return"
#     or, under set -e, the line alone ends the matter.
dpdkvdpa_error() {
    printf '%s: error: %s\n' "${0##*/}" "$*" >&2
    return 1
}

# dpdkvdpa_progress TEXT
#     Shows TEXT as the state of the current step: on a terminal in place, at
#     each call; elsewhere as a line, every 10 seconds.  dpdkvdpa_progress_end
#     ends the line on a terminal.
dpdkvdpa_progress() {
    local now
    if [ -t 2 ]; then
        printf '\r\033[K         ... %s' "$*" >&2
        return 0
    fi
    now=$(date +%s)
    if ((now - ${_dpdkvdpa_progress_at:-0} >= 10)); then
        _dpdkvdpa_progress_at=$now
        printf '[%4d s] ... %s\n' "$((now - DPDKVDPA_T0))" "$*" >&2
    fi
}

dpdkvdpa_progress_end() {
    if [ -t 2 ]; then
        printf '\r\033[K' >&2
    fi
}

# dpdkvdpa_run LOG COUNT COMMAND...
#     Runs COMMAND with its output in the file LOG and shows progress while it
#     lasts: what the shell function COUNT, called with LOG, prints.  After a
#     failure shows the log's end and returns COMMAND's exit status.  COMMAND,
#     an external one, ends when the calling shell does, even by SIGKILL.
dpdkvdpa_run() {
    local log=$1 count=$2 pid status=0
    shift 2
    : > "$log"
    setpriv --pdeathsig TERM -- "$@" > "$log" 2>&1 < /dev/null &
    pid=$!
    _dpdkvdpa_progress_at=$(date +%s)
    while kill -0 "$pid" 2> /dev/null; do
        # The wait is cut short by the command's end.
        timeout 1 tail --pid="$pid" -s 0.2 -f /dev/null || :
        dpdkvdpa_progress "$("$count" "$log")"
    done
    wait "$pid" || status=$?
    dpdkvdpa_progress_end
    if [ "$status" -ne 0 ]; then
        printf '%s\n' "--- the last lines of $log:" >&2
        tail -n 25 "$log" >&2
        dpdkvdpa_error "\"$*\" failed with status $status"
    fi
    return "$status"
}

# dpdkvdpa_last_line LOG
#     A COUNT for dpdkvdpa_run: what COMMAND said last.
dpdkvdpa_last_line() {
    tail -n 1 "$1" | cut -c 1-60
}

# Progress of make with automake's silent rules: objects and links so far, of
# those that "make -n" counted into _dpdkvdpa_make_total.
_dpdkvdpa_make_count() {
    local n
    n=$(grep -cE '^  (CC|CCLD|LINK) ' "$1" || :)
    if ((n > _dpdkvdpa_make_total)); then
        _dpdkvdpa_make_total=$n
    fi
    if ((_dpdkvdpa_make_total)); then
        echo "$n of $_dpdkvdpa_make_total objects"
    else
        echo "checking what is to be done"
    fi
}

# dpdkvdpa_make DIR LOG [ARGUMENT...]
#     Runs "make ARGUMENT..." in DIR on all processors, showing progress.
dpdkvdpa_make() {
    local dir=$1 log=$2
    shift 2
    # A Makefile that has to be made anew is, by this.  What it can't tell in
    # advance only makes the total wrong.
    _dpdkvdpa_make_total=$(make -C "$dir" -n V=0 "$@" 2> /dev/null |
                           grep -cE 'echo "  (CC|CCLD) ' || :)
    dpdkvdpa_run "$log" _dpdkvdpa_make_count \
        make -C "$dir" -j"$(nproc)" V=0 "$@"
}

# Huge pages
# ----------
#
# Whoever needs huge pages takes them before and releases them after.  Taking
# raises vm.nr_hugepages by what is needed, so that nobody's pages are used
# up, and notes in a file below /run/ovs-dpdkvdpa who added how many.
# Releasing lowers it by as many.  A note belongs to a process: when that is
# gone without having released (SIGKILL), the next take, release or reap by
# anybody does it.  Every change is made under a lock.
#
# With DPDKVDPA_HUGEPAGES=taken in the environment all this does nothing: a
# caller (the test suite's) has taken enough for all that it starts.

_dpdkvdpa_hugepages_dir=/run/ovs-dpdkvdpa/hugepages
_dpdkvdpa_hugepages_nr=/proc/sys/vm/nr_hugepages

# Prints the start time of process PID in clock ticks, which tells it from a
# later one of the same PID, or nothing.
_dpdkvdpa_start_time() {
    local stat
    stat=$(cat "/proc/$1/stat" 2> /dev/null) || return 0
    # The second field is a name in parentheses, of any characters.
    # shellcheck disable=SC2086
    set -- ${stat##*) }
    # A zombie has ended, unless it has threads left: they hold its files.
    if [ "$1" != Z ] && [ "$1" != X ] || [ "${18}" -gt 1 ]; then
        echo "${20}"
    fi
}

# Lowers vm.nr_hugepages by PAGES.  Under the lock.
_dpdkvdpa_hugepages_lower() {
    local nr
    nr=$(cat $_dpdkvdpa_hugepages_nr)
    echo $((nr > $1 ? nr - $1 : 0)) > $_dpdkvdpa_hugepages_nr
}

# Gives back what note FILE says.  A note is the number of pages added, or
# "pending BEFORE HAD" of a take that was killed underway, when there were
# BEFORE pages and HAD of them this owner's.  Under the lock.
_dpdkvdpa_hugepages_drop() {
    local pages before had
    read -r pages before had < "$1" || :
    if [ "$pages" = pending ]; then
        pages=$(($(cat $_dpdkvdpa_hugepages_nr) - before))
        pages=$(((pages > 0 ? pages : 0) + had))
    fi
    _dpdkvdpa_hugepages_lower "${pages:-0}" && rm -f "$1"
}

# Gives back what the dead left.  Under the lock.
_dpdkvdpa_hugepages_drop_dead() {
    local note name
    for note in "$_dpdkvdpa_hugepages_dir"/*.*.*; do
        if [ -f "$note" ]; then
            name=${note##*/}
            # shellcheck disable=SC2086 # It is split into three.
            if ! _dpdkvdpa_owner_lives ${name//./ }; then
                _dpdkvdpa_hugepages_drop "$note"
            fi
        fi
    done
}

# Prints the number of this shell's process namespace.
_dpdkvdpa_pid_ns() {
    stat -L -c %i /proc/self/ns/pid
}

# True if the process PID that started at START is there, in process namespace
# NS.  One of a namespace that can't be looked into may be.
_dpdkvdpa_owner_lives() {
    local pid=$1 start=$2 ns=$3
    if [ "$ns" = "$(_dpdkvdpa_pid_ns)" ]; then
        [ "$(_dpdkvdpa_start_time "$pid")" = "$start" ]
    elif [ "$(_dpdkvdpa_pid_ns)" = 4026531836 ]; then
        # The kernel's first one, which sees the processes of all.
        stat -L -c %i /proc/[0-9]*/ns/pid 2> /dev/null | grep -qx "$ns"
    fi
}

# Runs FUNCTION with ARGUMENTS under the lock.
_dpdkvdpa_hugepages_locked() {
    if [ "${DPDKVDPA_HUGEPAGES-}" = taken ]; then
        return 0
    fi
    if [ ! -w $_dpdkvdpa_hugepages_nr ]; then
        dpdkvdpa_error "$_dpdkvdpa_hugepages_nr can't be written, so that" \
            "huge pages can't be reserved: run as root, and not in a" \
            "container without --privileged"
        return 1
    fi
    mkdir -p "$_dpdkvdpa_hugepages_dir" || return 1
    (
        flock 9
        "$@" 9>&-
    ) 9> "$_dpdkvdpa_hugepages_dir/lock"
}

_dpdkvdpa_hugepages_take() {
    local note=$1 mib=$2 kib pages before after had=0
    kib=$(sed -n 's/^Hugepagesize: *\([0-9]*\) kB/\1/p' /proc/meminfo)
    if [ -z "$kib" ]; then
        dpdkvdpa_error "this kernel has no huge pages"
        return 1
    fi
    pages=$(((mib * 1024 + kib - 1) / kib))
    _dpdkvdpa_hugepages_drop_dead
    if [ -f "$note" ]; then
        had=$(cat "$note")
    fi
    before=$(cat $_dpdkvdpa_hugepages_nr)
    echo "pending $before $had" > "$note"
    echo $((before + pages)) > $_dpdkvdpa_hugepages_nr
    after=$(cat $_dpdkvdpa_hugepages_nr)
    if ((after < before + pages)); then
        # Memory is in pieces: let the kernel put it together.
        sync
        echo 1 > /proc/sys/vm/drop_caches
        echo 1 > /proc/sys/vm/compact_memory
        echo $((before + pages)) > $_dpdkvdpa_hugepages_nr
        after=$(cat $_dpdkvdpa_hugepages_nr)
    fi
    if ((after < before + pages)); then
        _dpdkvdpa_hugepages_lower $((after - before))
        if ((had)); then
            echo "$had" > "$note"
        else
            rm -f "$note"
        fi
        dpdkvdpa_error "only $(((after - before) * kib / 1024)) of $mib MiB" \
            "of huge pages could be had: free some memory" \
            "($(awk '/^MemAvailable:/ { print int($2 / 1024) }' \
                /proc/meminfo) MiB are available)"
        return 1
    fi
    echo $((had + pages)) > "$note"
}

_dpdkvdpa_hugepages_release() {
    if [ -f "$1" ]; then
        _dpdkvdpa_hugepages_drop "$1"
    fi
    _dpdkvdpa_hugepages_drop_dead
}

_dpdkvdpa_hugepages_hand_over() {
    if [ -f "$1" ]; then
        mv "$1" "$2"
    fi
}

_dpdkvdpa_hugepages_note() {
    set -- "$1" "$(_dpdkvdpa_start_time "$1")" "$(_dpdkvdpa_pid_ns)"
    echo "$_dpdkvdpa_hugepages_dir/$1.$2.$3"
}

# dpdkvdpa_hugepages_take MIB
#     Reserves MIB MiB of huge pages more, in the name of this shell ($$).
dpdkvdpa_hugepages_take() {
    _dpdkvdpa_hugepages_locked _dpdkvdpa_hugepages_take \
        "$(_dpdkvdpa_hugepages_note $$)" "$1"
}

# dpdkvdpa_hugepages_release [PID]
#     Gives back what was taken in the name of process PID (this shell's if
#     absent), and what the dead have left.  Nothing taken is no error.  To be
#     called after the processes that use the pages have ended.
dpdkvdpa_hugepages_release() {
    _dpdkvdpa_hugepages_locked _dpdkvdpa_hugepages_release \
        "$(_dpdkvdpa_hugepages_note "${1:-$$}")"
}

# dpdkvdpa_hugepages_hand_over PID
#     Makes what this shell took process PID's, which lives on: a daemon.
dpdkvdpa_hugepages_hand_over() {
    _dpdkvdpa_hugepages_locked _dpdkvdpa_hugepages_hand_over \
        "$(_dpdkvdpa_hugepages_note $$)" "$(_dpdkvdpa_hugepages_note "$1")"
}

# dpdkvdpa_hugepages_reap
#     Gives back what the dead have left.
dpdkvdpa_hugepages_reap() {
    _dpdkvdpa_hugepages_locked _dpdkvdpa_hugepages_drop_dead
}

# The build
# ---------

# dpdkvdpa_builddir
#     Prints, to stdout, the directory that dpdkvdpa_build builds the clone
#     in: _build below it, or a directory of the cache if the clone is below a
#     world-writable directory such as /tmp, from where DPDK refuses to load
#     drivers.
dpdkvdpa_builddir() {
    local dir=$DPDKVDPA_TOP
    while [ "$dir" != / ] && [ -n "$dir" ]; do
        if [ -n "$(find "$dir" -maxdepth 0 -perm -o=w)" ]; then
            set -- "$(printf %s "$DPDKVDPA_TOP" | sha256sum)"
            echo "$DPDKVDPA_CACHE/build/${1:0:16}"
            return 0
        fi
        dir=${dir%/*}
    done
    echo "$DPDKVDPA_TOP/_build"
}

# True if FILE is missing or older than any of the others.
_dpdkvdpa_outdated() {
    local file=$1 other
    shift
    for other; do
        if [ ! -f "$file" ] || [ "$other" -nt "$file" ]; then
            return 0
        fi
    done
    return 1
}

_dpdkvdpa_build() {
    local builddir=$1 log wanted
    shift
    log=$builddir/dpdkvdpa-build.log
    wanted="--with-openvswitch=$DPDKVDPA_OVS_DIR $* $DPDKVDPA_CACHE ${CC-}"
    if _dpdkvdpa_outdated "$DPDKVDPA_TOP/configure" \
           "$DPDKVDPA_TOP"/{configure.ac,m4/dpdkvdpa.m4} ||
       _dpdkvdpa_outdated "$DPDKVDPA_TOP/Makefile.in" \
           "$DPDKVDPA_TOP"/{configure.ac,Makefile.am} \
           "$DPDKVDPA_TOP"/*/automake.mk; then
        dpdkvdpa_step "Generating configure"
        dpdkvdpa_run "$log" dpdkvdpa_last_line \
            "$DPDKVDPA_TOP/boot.sh" || return 1
    fi
    # config.status is complete only when its Makefile is there; a tree of
    # other arguments, or of an Open vSwitch built since, starts from nothing.
    if [ ! -f "$builddir/config.status" ] || [ ! -f "$builddir/Makefile" ] ||
       [ "$(cat "$builddir/.dpdkvdpa-args" 2> /dev/null)" != "$wanted" ] ||
       _dpdkvdpa_outdated "$builddir/.dpdkvdpa-args" \
           "$DPDKVDPA_OVS_DIR/config.h"; then
        dpdkvdpa_step "Configuring in $builddir"
        rm -f "$builddir/.dpdkvdpa-args"
        if [ -f "$builddir/Makefile" ]; then
            make -C "$builddir" clean > /dev/null 2>&1 || :
        fi
        dpdkvdpa_run "$log" dpdkvdpa_last_line \
            env -C "$builddir" "$DPDKVDPA_TOP/configure" \
            "--with-openvswitch=$DPDKVDPA_OVS_DIR" "$@" || return 1
        echo "$wanted" > "$builddir/.dpdkvdpa-args"
    fi
    dpdkvdpa_step "Building ovs-dpdkvdpa in $builddir"
    dpdkvdpa_make "$builddir" "$log" all
}

# dpdkvdpa_build_in DIR [CONFIGURE-ARGUMENT...]
#     Generates configure, configures and makes the clone in DIR, as far as
#     that is not done yet.  utilities/dpdkvdpa-setup has to have run.  A
#     second build in DIR waits for the first.  Uses file descriptor 9.
dpdkvdpa_build_in() {
    local builddir=$1 status=0
    mkdir -p "$builddir" || return 1
    exec 9> "$builddir/.dpdkvdpa-lock"
    if ! flock -n 9; then
        dpdkvdpa_step "Waiting for another build in $builddir"
        flock 9
    fi
    # Its children shall not hold the lock, if one should live on.
    _dpdkvdpa_build "$@" 9>&- || status=1
    exec 9>&-
    return $status
}

# dpdkvdpa_build [CONFIGURE-ARGUMENT...]
#     dpdkvdpa_build_in the directory that dpdkvdpa_builddir names, which is
#     put into DPDKVDPA_BUILDDIR.
dpdkvdpa_build() {
    DPDKVDPA_BUILDDIR=$(dpdkvdpa_builddir)
    export DPDKVDPA_BUILDDIR
    dpdkvdpa_build_in "$DPDKVDPA_BUILDDIR" "$@"
}
