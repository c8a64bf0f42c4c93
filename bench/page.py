"""Pages with plots. What is on a page is a description made here, in numbers and text; page.js draws it with ECharts, which npm installs into BUILD/npm."""
import os
import shutil
import subprocess

import curves
import report
import rounds

HERE = os.path.dirname(os.path.abspath(__file__))


def draw(build, script, *arguments):
    """Runs a script of node's that wants ECharts' place first; a word why that is not possible, or None."""
    if not shutil.which("npm") or not shutil.which("node"):
        return "npm is not installed"
    place = os.path.join(build, "npm")
    os.makedirs(place, exist_ok=True)
    if not os.path.exists(os.path.join(place, "node_modules", "echarts")):
        done = subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", place, "echarts@6"], check=False,
                              stdout=subprocess.DEVNULL)
        if done.returncode:
            return "npm cannot install echarts"
    done = subprocess.run(["node", script, os.path.abspath(place), *arguments], check=False)
    return "%s failed" % os.path.basename(script) if done.returncode else None


def write(build, name, description, figure=""):
    """BUILD/bench/NAME.html; and a picture, if a place for it is named. Answers whether that was possible."""
    source, target = (os.path.join(build, "bench", name + ending) for ending in (".page.json", ".html"))
    rounds.write_json(source, description)
    problem = draw(build, os.path.join(HERE, "page.js"), source, target, *([figure] if figure else []))
    os.unlink(source)
    print("no page: " + problem if problem else target)
    return not problem


def machine_line(result):
    machine = result["machine"]
    return "%s, %d processors, kernel %s, %s; huge pages: %s; load average at the beginning %.1f; %s" % (
        machine["cpu"], machine["cores"], machine["kernel"], machine["libc"].partition(" /")[0], machine["huge_pages"], machine["load_average"][0],
        machine["date"])


def ratio_chart(title, figures, names):
    """One line a workload: the ratio to the best peer, and its quartiles over the rounds."""
    workloads = list(figures.ratios)
    series = []
    for name in names:
        marks = []
        for at, load in enumerate(workloads):
            if name in figures.ratios[load]:
                marks.append([at, round(figures.ratios[load][name], 4), *(round(v, 4) for v in figures.spread(load, name))])
        series.append({"name": name, "points": marks})
    return {"kind": "ratios", "title": title, "labels": workloads, "series": series}


def curve_chart(kind, found, key="ns"):
    text, axis, _ = curves.CURVES[kind]
    unit, factor = ("ns", 1) if key == "ns" else ("MiB at the peak", 1 / 1024)
    series = []
    for name, line in found.items():
        summaries = [(p["number"], curves.summarise(p, key)) for p in line]
        series.append({"name": name, "points": [[n, *(round(s[k] * factor, 3) for k in ("median", "low", "high"))] for n, s in summaries if s]})
    title = text[0].upper() + text[1:] if key == "ns" else "Memory by live objects"
    return {"kind": "lines", "title": title, "x": axis, "y": unit, "log": "both" if kind == "live" else "x", "series": series}


def curve_charts(found):
    """None where they were not measured."""
    return [*(curve_chart(kind, by) for kind, by in found.items()), curve_chart("live", found["live"], "peak")] if found else []


def trace_charts(traces):
    return [{"kind": "lines", "title": "Memory over time: " + load, "x": "s", "y": "MiB resident", "log": "",
             "series": [{"name": name, "points": series} for name, series in by.items()]} for load, by in traces.items()]


def describe_curves(result):
    return {"title": "tarn: how cost grows", "text": [machine_line(result), "%d rounds; bars: quartiles. By threads: the same work in all, nanoseconds of an operation by the clock." % result["rounds"]],
            "charts": curve_charts(result["curves"]) + trace_charts(result["traces"]), "tables": []}


def idle_chart(shape, phase, of, keep):
    """Resident memory above the program's own, after all but one in `keep` were freed, or all."""
    series = []
    for name, found in of.items():
        if "failure" not in found:
            base = found["base"]["series"][0][1]
            series.append({"name": name, "points": [[s[0], round((s[1] - base) / 2**20, 2)] for s in found[phase]["series"]]})
            pages = found["part"]["pages"] / 256
    if phase == "part" and series:
        series.append({"name": "pages with a live object", "points": [[0, pages], [series[0]["points"][-1][0], pages]]})
    return {"kind": "lines", "title": "Sizes %s: %s" % (shape, "one in %d is live" % keep if phase == "part" else "nothing is live"), "x": "s without a call",
            "y": "MiB resident", "log": "", "series": series}


def describe_idle(result):
    charts = [idle_chart(shape, phase, of, result["keep"]) for shape, of in result["idle"].items() for phase in ("part", "none")]
    return {"title": "tarn: memory of programs that wait", "charts": charts, "tables": [],
            "text": [machine_line(result), "%d MiB of objects were allocated, all but one in %d of them freed in random order; later the rest."
                     % (result["mib"], result["keep"])]}


def mean_table(metrics, names):
    rows = []
    for metric, figures in metrics:
        cells = []
        for name in names:
            whole, spread = figures.geomean(name), figures.round_spread(name)
            cells.append("%.2f (%.2f-%.2f)" % (whole[0], *spread) if whole and spread else "-")
        rows.append([metric, *cells])
    return {"title": "Geometric means of the ratios to the best peer of each workload (quartiles of the rounds)", "head": ["", *names], "rows": rows}


def call_table(calls, samples, names):
    rows = [[load, *(report.call_cell(calls, samples, load, name) for name in names)] for load in samples]
    return {"title": "System calls for memory in one run, and page faults in the median", "head": ["", *names], "rows": rows}


def describe(result):
    """The page of run.py."""
    samples, names = result["samples"], list(result["start"])
    metrics = report.all_figures(samples)
    charts = [ratio_chart("Time, against the best peer of each workload", metrics["time"], names),
              ratio_chart("Peak memory, against the leanest peer of each workload", metrics["memory"], names)]
    charts += curve_charts(result["curves"]) + trace_charts(result["traces"])
    text = [machine_line(result), "; ".join("%s: %s" % item for item in result["machine"]["allocators"].items()),
            "%d interleaved rounds, scale %g. Points: medians of the rounds; bars: quartiles. A ratio of 1 is the best allocator but tarn of that workload. "
            "Curves by threads: the same work in all, nanoseconds of an operation by the clock."
            % (result["rounds"], result["scale"])]
    pictured = [i for i, c in enumerate(charts) if c["kind"] == "lines"][:4]  # the curves
    return {"title": "tarn: the benchmark", "text": text, "charts": charts, "picture": pictured,
            "tables": [mean_table(metrics.items(), names), call_table(result["calls"], samples, names)]}
