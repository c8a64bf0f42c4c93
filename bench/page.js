// Draws a page that page.py described, and a picture of some of its charts. Usage: page.js NPM-PLACE DESCRIPTION PAGE [FIGURE]
const fs = require('fs');
const path = require('path');
const charts = require('./charts.js');

const [place, source, target, figure] = process.argv.slice(2);
const described = JSON.parse(fs.readFileSync(source, 'utf8'));

const bar = (from, to) => [{ coord: from, symbol: 'none' }, { coord: to, symbol: 'none' }];
const bars = (pairs, color) => ({ silent: true, animation: false, symbol: 'none', label: { show: false }, lineStyle: { type: 'solid', width: 2, color }, data: pairs });

// A row a workload, in it a point and a bar for each allocator, one below the other.
function ratios(chart) {
  const rows = chart.labels.length;
  const lowest = Math.min(...chart.series.flatMap((s) => s.points.map((p) => p[2])));
  const least = Math.min(0.5, Math.max(0.125, 2 ** Math.floor(Math.log2(lowest))));
  const height = (at, k) => at + (k + 1) / (chart.series.length + 1);
  const frame = charts.frame(chart.title, [
    { type: 'category', data: chart.labels, inverse: true, axisTick: { show: false }, splitLine: { show: true } },
    { type: 'value', min: 0, max: rows, inverse: true, show: false },
  ]);
  return {
    ...frame, tooltip: { trigger: 'item', formatter: '{b}' }, legend: { top: 32 }, grid: { left: 160, right: 30, top: 85, bottom: 40 },
    xAxis: { type: 'log', logBase: 2, min: least, name: 'ratio', nameLocation: 'middle', nameGap: 24 },
    series: chart.series.map((s, k) => ({
      name: s.name, type: 'scatter', yAxisIndex: 1, symbolSize: s.name.startsWith('tarn') ? 9 : 6,
      data: s.points.map(([at, ratio, low, high]) => ({ name: `${chart.labels[at]}, ${s.name}: ${ratio.toFixed(2)} (${low.toFixed(2)}-${high.toFixed(2)})`,
        value: [Math.max(ratio, least), height(at, k)] })),
      markLine: bars(s.points.map(([at, , low, high]) => bar([Math.max(low, least), height(at, k)], [Math.max(high, least), height(at, k)])), frame.color[k % frame.color.length]),
    })),
  };
}

// Points are x, y or x, median, lower and upper quartile.
function lines(chart) {
  const frame = charts.frame(chart.title, { type: chart.log === 'both' ? 'log' : 'value', name: chart.y, nameLocation: 'middle', nameGap: 48 });
  return {
    ...frame, xAxis: { type: chart.log ? 'log' : 'value', min: chart.log ? 'dataMin' : 0, name: chart.x, nameLocation: 'middle', nameGap: 24, logBase: chart.x === 'threads' ? 2 : 10 },
    series: chart.series.map((s, k) => ({
      name: s.name, type: 'line', showSymbol: chart.log !== '', symbolSize: 7, data: s.points.map((p) => p.slice(0, 2)),
      markLine: bars(s.points.filter((p) => p.length > 2).map(([x, , low, high]) => bar([x, low], [x, high])), frame.color[k % frame.color.length]),
    })),
  };
}

const options = {};
let body = `<h1>${charts.escape(described.title)}</h1>\n` + described.text.map((t) => `<p>${charts.escape(t)}</p>\n`).join('');
const cells = (row, cell) => row.map((c) => `<${cell}>${charts.escape(c)}</${cell}>`).join('');
const table = (t) => `<h2>${charts.escape(t.title)}</h2>\n<table><tr>${cells(t.head, 'th')}</tr>\n`
  + t.rows.map((r) => `<tr><th>${charts.escape(r[0])}</th>${cells(r.slice(1), 'td')}</tr>`).join('\n') + '</table>\n';
if (described.tables.length > 0) body += table(described.tables[0]);
described.charts.forEach((chart, at) => {
  options[`chart${at}`] = chart.kind === 'ratios' ? ratios(chart) : lines(chart);
  const tall = chart.kind === 'ratios' ? ` style="height: ${130 + 44 * chart.labels.length}px"` : '';
  body += `<div id="chart${at}" class="${chart.kind === 'ratios' ? 'whole' : 'half'}"${tall}></div>\n`;
});
body += described.tables.slice(1).map(table).join('');
fs.writeFileSync(target, charts.page(place, 'echarts.min.js', described.title, body, options));

if (figure) {
  const parts = described.picture.map((at, k) => [options[`chart${at}`], k % 2 * 480, Math.floor(k / 2) * 330, 480, 320]);
  fs.mkdirSync(path.dirname(figure), { recursive: true });
  fs.writeFileSync(figure, charts.picture(charts.drawer(place), 960, Math.ceil(parts.length / 2) * 330, parts));
}
