// From region.json: a page that needs nothing else, and a picture for the manual. Usage: page.js NPM-PLACE JSON PAGE FIGURE
const fs = require('fs');
const path = require('path');

const [place, source, page, figure] = process.argv.slice(2);
const charts = require('../charts.js');
const result = JSON.parse(fs.readFileSync(source, 'utf8'));
const names = { tlsf: 'TLSF', best: 'best fit', first: 'first fit' };
const strategies = Object.keys(names);
const live = result.live.map((n) => n.toLocaleString('en').replace(/,/g, ' '));

const base = charts.frame;
const ofLive = (title, name, value) => ({
  ...base(title, { type: 'log', name, nameLocation: 'middle', nameGap: 52 }),
  xAxis: { type: 'category', data: live, name: 'live blocks', nameLocation: 'middle', nameGap: 24 },
  series: strategies.map((s) => ({ name: names[s], type: 'line', symbolSize: 8, data: result.live.map((n) => value(s, n)) })),
});
const mean = (values) => values.reduce((a, b) => a + b, 0) / values.length;
const round = (value) => Math.round(value * 10) / 10;

const time = ofLive('Time of a free and an allocation', 'ns', (s, n) => result.time[s][n] ? round(result.time[s][n].median) : null);
const count = ofLive('Instructions of a free and an allocation', 'instructions', (s, n) => {
  const c = result.instructions[s][n];
  return c ? round(c['alloc-mean'] + c['free-mean']) : null;
});
const loads = Object.keys(result.loads);
const room = {
  ...base('External fragmentation', { type: 'value', name: 'per cent', nameLocation: 'middle', nameGap: 45 }),
  xAxis: { type: 'category', data: loads, axisLabel: { interval: 0, rotate: 30 } },
  grid: { left: 70, right: 20, top: 45, bottom: 100 },
  series: strategies.map((s) => ({
    name: names[s], type: 'bar', data: loads.map((l) => result.room[s][l] ? round(mean(result.room[s][l].external)) : null) })),
};

const { escape } = charts;
function html() {
  const rows = loads.map((l) => `<tr><th>${escape(l)}</th><td class="what">${escape(result.loads[l])}</td>` + strategies.map((s) => {
    const of = result.room[s][l];
    return of ? `<td>${mean(of.external).toFixed(1)}</td><td>${mean(of.all).toFixed(1)}</td>` : '<td>-</td><td>-</td>';
  }).join('') + '</tr>').join('\n');
  const head = strategies.map((s) => `<th>${names[s]}, external %</th><th>all %</th>`).join('');
  const body = `<h1>Regions: three strategies</h1>
<p>${escape(result.machine.processor || result.machine.machine)}, ${result.rounds} rounds, ${result.seeds} seeds; instructions: ${escape(result.counted)}.
External fragmentation: how much more than the most that is live, in granules, the least region can hold in which no request of a load fails. All: the
whole size of that region over what was asked for.</p>
<div id="time" class="half"></div><div id="count" class="half"></div><div id="room" class="whole"></div>
<table><tr><th>load</th><th class="what">what</th>${head}</tr>
${rows}
</table>`;
  return charts.page(place, 'echarts.simple.min.js', 'tarn: regions', body, { time, count, room });
}

fs.writeFileSync(page, html());
fs.mkdirSync(path.dirname(figure), { recursive: true });
fs.writeFileSync(figure, charts.picture(charts.drawer(place), 960, 660,
  [[time, 0, 0, 480, 320], [count, 480, 0, 480, 320], [room, 0, 330, 960, 330]]));
