/*
 * The help; see help.h. Kept to 80 columns, since it is read on terminals. What it defines, figures.c computes.
 */
#include "help.h"

#include "common.h"

#include <stdio.h>

static const char general[] =
    "tarn shows what the memory of a program does, and makes it do better.\n"
    "\n"
    "Usage:\n"
    "  tarn run [OPTIONS] [--] PROGRAM [ARGUMENTS]   run a program on tarn and report\n"
    "  tarn slabinfo PID                             object caches of a process\n"
    "  tarn buddyinfo PID                            free blocks of its zones\n"
    "  tarn maps PID                                 its segments, and pools in them\n"
    "  tarn leaks PID                                what it lost without freeing it\n"
    "  tarn COMMAND --help                           what a command does, in full\n"
    "  tarn --version\n";

static const char run_usage[] =
    "Usage:\n"
    "  tarn run [--debug LETTERS[,NAME...]] [--harden] [--sample N]\n"
    "           [--report FILE] [--json] [--] PROGRAM [ARGUMENTS]\n"
    "  tarn run --leaks [--children] [OPTIONS FOR LEAKS] [--report FILE] [--json]\n"
    "           [--] PROGRAM [ARGUMENTS]\n"
    "  tarn run --compare [--with NAME,...] [--rounds N] [--report FILE] [--json]\n"
    "           [--] PROGRAM [ARGUMENTS]\n"
    "\n"
    "Runs an unmodified program with libtarn-malloc.so as its malloc. When it has\n"
    "ended, a report on standard error tells what its memory did.\n"
    "\n"
    "Options:\n"
    "  --compare        run it under the system's malloc and every other allocator\n"
    "                   found too, and show time and memory side by side\n"
    "  --with NAME,...  with --compare: only these allocators, by name or by the path\n"
    "                   of a shared object; the system's malloc is always among them\n"
    "  --rounds N       with --compare: timed runs under each allocator (3)\n"
    "  --leaks          look for leaks when it ends, and report these instead; see\n"
    "                   'tarn leaks --help' for the options\n"
    "  --children       with --leaks: in each process that it starts, too\n"
    "  --frames N       with --leaks: note so many frames of a stack (16), up to 32\n"
    "  --debug LETTERS[,NAME...]\n"
    "                   look for misuse: F checks, Z red zones, P poison, U stacks,\n"
    "                   Q quarantine, G guard pages, L stacks of allocation only; of\n"
    "                   all pools, or of those named (tarn-debug(7))\n"
    "  --harden         find misuse at a small cost\n"
    "  --sample N       give about one allocation in N guard pages\n"
    "  --report FILE    write the report to FILE instead of standard error\n"
    "  --json           the report as one JSON document\n"
    "  -h, --help       this text\n"
    "\n"
    "Standard streams are the program's own. Signals sent to tarn are passed on to\n"
    "it; what a terminal sends reaches it anyway, and tarn stays to report.\n";

static const char run_status[] =
    "\n"
    "Exit status:\n"
    "  That of the program; 128+N if signal N killed it. With --compare, that of the\n"
    "  program under the system's malloc, or 128+N if signal N interrupted tarn.\n"
    "  2 if the command line is wrong, 125 if tarn could not do its part, 126 if the\n"
    "  program cannot be run, 127 if it is not there; nothing was run then.\n"
    "\n"
    "Environment:\n"
    "  TARN_LIBRARY     path of libtarn-malloc.so, if not beside tarn or in ../lib\n"
    "  TARN_DEBUG, TARN_HARDEN, TARN_SAMPLE\n"
    "                   what --debug, --harden and --sample set\n"
    "  LD_PRELOAD       kept; libtarn-malloc.so is put in front of it\n"
    "  NO_COLOR         if set and not empty, no colour on terminals either\n"
    "  TMPDIR           where --compare keeps standard input\n";

static const char run_figures[] =
    "\n"
    "The figures:\n"
    "  peak resident    the most memory that was resident at once in the largest\n"
    "                   single process among the program and those descendants that\n"
    "                   were waited for (wait4, ru_maxrss): not a sum over the tree,\n"
    "                   and never below what tarn itself has at the start, ~1 MiB\n"
    "  user, system     processor time of the program and of the descendants that\n"
    "                   were waited for, added up\n"
    "  live             given to the program and not yet freed, in bytes as the size\n"
    "                   classes and whole pages round them\n"
    "  requests         allocations + frees + reallocs in place. A realloc that moved\n"
    "                   its block is one allocation and one free\n"
    "  system calls     made by the allocator, of every kind\n"
    "  internal         bytes given but not asked for / bytes given. Exact sizes are\n"
    "  fragmentation    known of a sample of the requests (how many is shown): the\n"
    "                   mean over the size classes, weighted by the bytes each gave,\n"
    "                   and the rounding of large requests, which is exact\n"
    "  external         (used - live) / used. Used are the bytes of all pages that\n"
    "  fragmentation    are in slabs or large blocks. At the peak: of the most that\n"
    "                   was used and the most that was live. At exit most programs\n"
    "                   have freed what filled their slabs, so it is high then\n"
    "  pages            from the system: mapped, ever. Given back: unmapped, ever.\n"
    "                   Purged in place: madvise, ever. Held: mapped now\n"
    "  large requests   above the largest size class; served by whole pages\n"
    "\n"
    "The table has slabtop's columns: OBJS objects that the slabs of a class have\n"
    "room for, ACTIVE of them live, USE their ratio, CACHE SIZE the slabs in whole\n"
    "pages. SHARE is the part of all classes and live large requests together; the\n"
    "bars are drawn to the scale of the largest.\n";

static const char run_processes[] =
    "\n"
    "Processes:\n"
    "  The program itself comes first; if it called exec, its last image. Processes\n"
    "  that it started follow if they made requests, in short. A forked process\n"
    "  counts on from where its parent was. One that still runs is shown as it is;\n"
    "  one whose end was not seen (killed, _exit, or exec of a program not on tarn)\n"
    "  as of its last update.\n"
    "  Static, set-user-ID and set-group-ID programs, programs with file capabilities\n"
    "  and those of another machine or C library cannot be given a library: they are\n"
    "  run as usual, and the report says so.\n";

static const char run_compare[] =
    "\n"
    "Comparing:\n"
    "  The program is run once under the system's malloc with its output shown and\n"
    "  no time taken; then N rounds in which every allocator has its turn, each round\n"
    "  beginning with another one, with output to /dev/null. Every run reads the same\n"
    "  standard input: it is saved first, or is empty if it is a terminal. So the\n"
    "  program must bear being run N times the number of allocators, and once more.\n"
    "  Shown are medians, and of the wall time also the least and the most. PEAK RSS\n"
    "  is peak resident as above; ratios are to the system's malloc. An allocator\n"
    "  under which the program ended with another exit status is marked.\n"
    "  The report of tarn's last run follows the table; publishing its figures is\n"
    "  part of tarn's time.\n"
    "  Known by name: mimalloc, jemalloc, tcmalloc, snmalloc, rpmalloc, hoard, scudo,\n"
    "  mesh, tbbmalloc, hardened_malloc, hardened_malloc-light, isoalloc,\n"
    "  supermalloc, lockless, umem; looked for in LD_LIBRARY_PATH and the usual\n"
    "  library directories.\n";

static const char live_common[] =
    "\n"
    "The process is not stopped, and does not help: its memory is read while it runs.\n"
    "It must run on tarn (by 'tarn run', with libtarn-malloc.so preloaded, or linked\n"
    "with libtarn), and tarn must be allowed to read it: as the same user where\n"
    "kernel.yama.ptrace_scope is 0 or not there, otherwise as root.\n"
    "If several copies of tarn are in the process, those that have memory are\n"
    "reported, and a line on standard error says which.\n"
    "\n"
    "Exit status:\n"
    "  2 if the command line is wrong, 125 if the process cannot be read or is not\n"
    "  on tarn.\n";

static const char slabinfo_usage[] =
    "Usage:\n"
    "  tarn slabinfo [--json] PID\n"
    "\n"
    "Prints the object caches of a process in the layout of /proc/slabinfo, version\n"
    "2.1: malloc-N are the size classes of malloc, the others the program's own.\n"
    "\n"
    "  active_objs      allocated and not freed; objects in magazines are free\n"
    "  num_objs         that there is room for in the cache's slabs\n"
    "  objsize          bytes that an object takes in a slab\n"
    "  limit            objects that a thread keeps at most: two magazines\n"
    "  batchcount       objects of a full magazine, which is what threads exchange\n"
    "  sharedfactor     magazines that the cache's depot may hold\n"
    "  active_slabs     as num_slabs: an empty slab is given back at once\n"
    "  sharedavail      objects that the depot holds\n"
    "\n"
    "The counts of objects are exact while the process rests. Beside running threads\n"
    "they are sums of nearly one moment, and active_objs is kept within 0 and\n"
    "num_objs.\n";

static const char buddyinfo_usage[] =
    "Usage:\n"
    "  tarn buddyinfo [--groups] [--json] PID\n"
    "\n"
    "Prints how many free blocks of 1, 2, 4 ... 1024 pages each zone of a process\n"
    "has, in the layout of /proc/buddyinfo. If several copies of tarn have memory,\n"
    "each is a node.\n"
    "\n"
    "  --groups         the same by mobility group, and the 2 MiB blocks of each, in\n"
    "                   the layout of /proc/pagetypeinfo\n";

static const char maps_usage[] =
    "Usage:\n"
    "  tarn maps [--json] PID\n"
    "\n"
    "Prints the five segments of a process, the pools of tarn that lie in them or in\n"
    "memory of their own, and what else is mapped. Every page is in one row; indented\n"
    "rows add up to the row above them, the others to the total.\n"
    "\n"
    "  text             the program's code and constants\n"
    "  data, bss        its variables; the page in which data ends and bss begins is\n"
    "                   data's\n"
    "  heap (brk)       what malloc of other libraries took by brk\n"
    "  stack            of the first thread\n"
    "  pools' own       anonymous memory that tarn took, or that was given to it\n"
    "  memory\n"
    "  zone             a zone's pages there, by use: slabs of each object cache,\n"
    "                   large blocks of malloc, pages that the program took as\n"
    "                   pages, and free ones\n"
    "  descriptors      of pages, and threads' bins\n"
    "\n"
    "  COUNT            slabs, blocks, or mappings\n"
    "  BEGIN, END       first address, and first one behind\n"
    "  SIZE             addresses taken, in KiB\n"
    "  RESIDENT         of those, in memory now\n"
    "  FAULTED          pages that the process made its own by a fault: anonymous,\n"
    "                   in memory or swapped out\n"
    "\n"
    "Before Linux 6.7, pages that were read but never written cannot be told from\n"
    "others, and count as resident and faulted.\n";

static const char leaks_usage[] =
    "Usage:\n"
    "  tarn leaks [OPTIONS] PID\n"
    "\n"
    "Stops a process for a moment and lists the objects that it has allocated and\n"
    "that nothing in its memory leads to any more. 'tarn run --leaks' does the same\n"
    "at a program's exit, and knows where each was allocated.\n"
    "\n";

static const char leaks_options[] =
    "Options for leaks:\n"
    "  --show-indirect        list what only lost objects lead to, too\n"
    "  --show-reachable       list what is allocated and reached, too\n"
    "  --strict               an address inside an object never makes it reached\n"
    "  --suppressions FILE    do not tell of those that FILE names; may be repeated\n"
    "  --gen-suppressions     write, after the report, a suppression for each\n"
    "  --error-exitcode N     end with status N if any is definite or possible\n";

static const char leaks_kinds[] =
    "  --json                 the report as one JSON document\n"
    "  -h, --help             this text\n"
    "\n"
    "Kinds:\n"
    "  definitely lost        no word leads to it\n"
    "  indirectly lost        only lost objects do\n"
    "  possibly lost          only words that lead to its inside do, or only objects\n"
    "                         that are possibly lost\n"
    "  still reachable        the program could still free it\n"
    "\n"
    "Looked through are variables, stacks, registers, and other writable memory of\n"
    "the process. Exit status: 2 if the command line is wrong, 125 if the process\n"
    "cannot be read or stopped. tarn-leaks(1) has the format of suppressions.\n";

static int print(const char *const *parts, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        fputs(parts[i], stdout);
    return fflush(stdout) == 0 && !ferror(stdout) ? 0 : TOOL_STATUS_TROUBLE;
}

int tool_help(void) { return print((const char *const[]){general}, 1); }

int tool_help_run(void)
{
    return print((const char *const[]){run_usage, run_status, run_figures, run_processes, run_compare}, 5);
}

int tool_help_slabinfo(void) { return print((const char *const[]){slabinfo_usage, live_common}, 2); }

int tool_help_buddyinfo(void) { return print((const char *const[]){buddyinfo_usage, live_common}, 2); }

int tool_help_maps(void) { return print((const char *const[]){maps_usage, live_common}, 2); }

int tool_help_leaks(void) { return print((const char *const[]){leaks_usage, leaks_options, leaks_kinds}, 3); }

int tool_version(void) { return print((const char *const[]){"tarn " TARN_VERSION "\n"}, 1); }
