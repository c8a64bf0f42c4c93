/*
 * The JSON document; see json.h.
 *
 * Sizes are bytes, times nanoseconds, fractions 0 to 1. A figure that is not known is null, not 0.
 */
#include "json.h"

#include "common.h"
#include "emit.h"
#include "figures.h"
#include "text.h"

#include <string.h>
#include <sys/wait.h>

#define DOCUMENT_VERSION 1 /* counts up only if a field changes its meaning */

static const char *const end_names[] = {
    [TOOL_END_EXITED] = "exited",       [TOOL_END_KILLED] = "killed",     [TOOL_END_RUNNING] = "running",
    [TOOL_END_UNSEEN] = "end_not_seen", [TOOL_END_REPLACED] = "replaced",
};

static void emit_fraction(struct tool_emitter *e, const char *name, bool known, double value)
{
    if (known)
        tool_emit_number(e, name, value);
    else
        tool_emit_string(e, name, NULL);
}

static void emit_class(struct tool_emitter *e, const struct tarn_snapshot_class *class)
{
    char name[32];

    snprintf(name, sizeof name, "malloc-%u", class->size);
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "name", name);
    tool_emit_count(e, "object_bytes", class->size);
    tool_emit_count(e, "slab_objects", class->slab_objects);
    tool_emit_count(e, "slabs", class->slabs);
    tool_emit_count(e, "objects", tool_class_objects(class));
    tool_emit_count(e, "active_objects", tool_class_active(class));
    tool_emit_count(e, "cached_objects", class->cached);
    tool_emit_count(e, "cache_bytes", tool_class_bytes(class));
    tool_emit_count(e, "allocations", class->allocations);
    tool_emit_count(e, "frees", class->frees);
    tool_emit_count(e, "sampled", class->sampled);
    tool_emit_count(e, "sampled_bytes", class->sampled_bytes);
    tool_emit_close(e, '}');
}

static void emit_counts(struct tool_emitter *e, const struct tarn_snapshot *s, const struct tool_figures *figures)
{
    tool_emit_count(e, "requests", figures->requests);
    tool_emit_count(e, "system_calls", figures->calls);
    tool_emit_count(e, "allocations", s->allocations);
    tool_emit_count(e, "frees", s->frees);
    tool_emit_count(e, "failures", s->failures);
    tool_emit_count(e, "reallocs_in_place", s->reallocs_in_place);
    tool_emit_count(e, "reallocs_moved", s->reallocs_moved);
    tool_emit_count(e, "reallocs_remapped", s->reallocs_remapped);
    tool_emit_count(e, "live_objects", s->live_objects);
    tool_emit_count(e, "live_bytes", s->live_bytes);
    tool_emit_count(e, "peak_live_bytes", s->peak_live_bytes);
    tool_emit_count(e, "threads", s->threads);
}

static void emit_memory(struct tool_emitter *e, const struct tarn_snapshot *s, const struct tool_figures *figures)
{
    tool_emit_open(e, "large", '{');
    tool_emit_count(e, "allocations", s->large_allocations);
    tool_emit_count(e, "frees", s->large_frees);
    tool_emit_count(e, "live_objects", s->large_live_objects);
    tool_emit_count(e, "live_bytes", s->large_live_bytes);
    tool_emit_count(e, "requested_bytes", s->large_requested_bytes);
    tool_emit_count(e, "rounded_bytes", s->large_rounded_bytes);
    tool_emit_close(e, '}');
    tool_emit_open(e, "fragmentation", '{');
    emit_fraction(e, "internal", figures->has_internal, figures->internal);
    emit_fraction(e, "internal_live", figures->has_internal_live, figures->internal_live);
    tool_emit_count(e, "samples", figures->samples);
    emit_fraction(e, "external", figures->has_external, figures->external);
    tool_emit_count(e, "external_bytes", figures->idle_bytes);
    emit_fraction(e, "external_peak", true, figures->external_peak);
    tool_emit_close(e, '}');
    tool_emit_open(e, "pages", '{');
    tool_emit_count(e, "system_bytes", s->system_bytes);
    tool_emit_count(e, "returned_bytes", s->returned_bytes);
    tool_emit_count(e, "purged_bytes", s->purged_bytes);
    tool_emit_count(e, "held_bytes", s->held_bytes);
    tool_emit_count(e, "used_bytes", s->used_bytes);
    tool_emit_count(e, "peak_used_bytes", s->peak_used_bytes);
    tool_emit_count(e, "dirty_bytes", s->dirty_bytes);
    tool_emit_count(e, "metadata_bytes", s->metadata_bytes);
    tool_emit_close(e, '}');
}

static void emit_process(struct tool_emitter *e, const struct tool_process *process)
{
    const struct tarn_snapshot *s = &process->figures;
    struct tool_figures figures;

    tool_figure_out(s, &figures);
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "program", s->program);
    tool_emit_integer(e, "pid", s->pid);
    tool_emit_integer(e, "parent_pid", s->parent_pid);
    tool_emit_bool(e, "launched", process->launched);
    tool_emit_string(e, "origin", s->origin == TARN_SNAPSHOT_FORK ? "fork" : "exec");
    tool_emit_string(e, "end", end_names[process->end]);
    tool_emit_bool(e, "torn", process->torn);
    tool_emit_count(e, "begin_ns", s->begin_ns);
    tool_emit_count(e, "update_ns", s->update_ns);
    tool_emit_count(e, "update_age_ns", process->age_ns);
    emit_counts(e, s, &figures);
    emit_memory(e, s, &figures);
    tool_emit_open(e, "calls", '{');
    for (unsigned i = 0; i < TARN_SNAPSHOT_CALLS; i++)
        tool_emit_count(e, tool_call_keys[i], s->calls[i]);
    tool_emit_close(e, '}');
    tool_emit_open(e, "classes", '[');
    for (uint32_t i = 0; i < s->classes; i++)
        if (s->class[i].allocations || s->class[i].slabs)
            emit_class(e, &s->class[i]);
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

static void emit_outcome(struct tool_emitter *e, const struct tool_outcome *outcome)
{
    bool killed = WIFSIGNALED(outcome->status);

    tool_emit_open(e, "run", '{');
    tool_emit_integer(e, "pid", outcome->pid);
    if (killed) {
        tool_emit_string(e, "exit_status", NULL);
        tool_emit_integer(e, "signal", WTERMSIG(outcome->status));
        tool_emit_string(e, "signal_name", tool_signal_name(WTERMSIG(outcome->status)));
    } else {
        tool_emit_integer(e, "exit_status", WEXITSTATUS(outcome->status));
        tool_emit_string(e, "signal", NULL);
        tool_emit_string(e, "signal_name", NULL);
    }
    tool_emit_count(e, "wall_ns", outcome->end_ns - outcome->begin_ns);
    tool_emit_count(e, "user_ns", outcome->user_ns);
    tool_emit_count(e, "system_ns", outcome->system_ns);
    tool_emit_count(e, "peak_resident_bytes", outcome->peak_resident_bytes);
    tool_emit_close(e, '}');
}

static void emit_result(struct tool_emitter *e, const struct tool_result *result)
{
    char why[3 * PATH_MAX];

    if (result->outcome.pid)
        emit_outcome(e, &result->outcome);
    else
        tool_emit_string(e, "run", NULL);
    tool_emit_open(e, "preload", '{');
    tool_emit_string(e, "library", result->library);
    tool_emit_bool(e, "published", tool_launched(&result->processes) != NULL);
    tool_emit_string(e, "obstacle", tool_obstacle_name(result->program.obstacle));
    tool_explain(&result->program, why, sizeof why);
    tool_emit_string(e, "explanation", *why ? why : NULL);
    tool_emit_close(e, '}');
    tool_emit_count(e, "processes_without_slot", result->processes.without_slot);
    tool_emit_open(e, "processes", '[');
    for (size_t i = 0; i < result->processes.count; i++)
        if (&result->processes.all[i] == tool_launched(&result->processes))
            emit_process(e, &result->processes.all[i]);
    for (size_t i = 0; i < result->processes.count; i++)
        if (&result->processes.all[i] != tool_launched(&result->processes))
            emit_process(e, &result->processes.all[i]);
    tool_emit_close(e, ']');
}

static void emit_spread(struct tool_emitter *e, const char *name, const struct tool_spread *spread)
{
    tool_emit_open(e, name, '{');
    tool_emit_count(e, "median", spread->median);
    tool_emit_count(e, "min", spread->least);
    tool_emit_count(e, "max", spread->most);
    tool_emit_close(e, '}');
}

static void emit_contender(struct tool_emitter *e, const struct tool_contender *contender)
{
    tool_emit_open(e, NULL, '{');
    tool_emit_string(e, "name", contender->allocator.name);
    tool_emit_string(e, "library", contender->allocator.path[0] ? contender->allocator.path : NULL);
    tool_emit_integer(e, "exit_status", contender->exit_status);
    tool_emit_bool(e, "differs_from_system", contender->differs);
    emit_spread(e, "wall_ns", &contender->wall_ns);
    emit_spread(e, "user_ns", &contender->user_ns);
    emit_spread(e, "system_ns", &contender->system_ns);
    emit_spread(e, "peak_resident_bytes", &contender->peak_resident_bytes);
    tool_emit_open(e, "runs", '[');
    for (unsigned i = 0; i < contender->count; i++) {
        tool_emit_open(e, NULL, '{');
        tool_emit_count(e, "wall_ns", contender->runs[i].wall_ns);
        tool_emit_count(e, "user_ns", contender->runs[i].user_ns);
        tool_emit_count(e, "system_ns", contender->runs[i].system_ns);
        tool_emit_count(e, "peak_resident_bytes", contender->runs[i].peak_resident_bytes);
        tool_emit_close(e, '}');
    }
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

static void emit_comparison(struct tool_emitter *e, const struct tool_comparison *comparison)
{
    if (!comparison) {
        tool_emit_string(e, "comparison", NULL);
        return;
    }
    tool_emit_open(e, "comparison", '{');
    tool_emit_count(e, "rounds", comparison->rounds_done);
    tool_emit_bool(e, "interrupted", comparison->interrupted != 0);
    tool_emit_open(e, "allocators", '[');
    for (unsigned i = 0; i < comparison->count; i++)
        emit_contender(e, &comparison->contenders[i]);
    tool_emit_close(e, ']');
    tool_emit_close(e, '}');
}

void tool_json(FILE *out, const struct tool_result *result, const struct tool_comparison *comparison, int exit_status)
{
    struct tool_emitter emitter = {.out = out};

    tool_emit_open(&emitter, NULL, '{');
    tool_emit_string(&emitter, "tarn", TARN_VERSION);
    tool_emit_count(&emitter, "document_version", DOCUMENT_VERSION);
    tool_emit_open(&emitter, "command", '[');
    for (unsigned i = 0; result->argv[i]; i++)
        tool_emit_string(&emitter, NULL, result->argv[i]);
    tool_emit_close(&emitter, ']');
    tool_emit_integer(&emitter, "exit_status", exit_status);
    emit_result(&emitter, result);
    emit_comparison(&emitter, comparison);
    tool_emit_close(&emitter, '}');
}
