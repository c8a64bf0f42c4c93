// What pages with plots share: ECharts, a frame for charts, a page that needs no network, a picture of several charts.
const fs = require('fs');
const path = require('path');

const text = { fontFamily: 'sans-serif', color: '#333' };
const colors = ['#1b6ca8', '#d9822b', '#5b8c5a', '#a23b72', '#6d6875', '#c0a000'];
const escape = (s) => String(s).replace(/&/g, '&amp;').replace(/</g, '&lt;');

const frame = (title, yAxis) => ({
  animation: false, color: colors, textStyle: text, backgroundColor: '#fff',
  title: { text: title, left: 'center', textStyle: { fontSize: 14, fontWeight: 'bold' } },
  tooltip: { trigger: 'axis' }, legend: { bottom: 0 }, grid: { left: 70, right: 20, top: 45, bottom: 65 }, yAxis,
});

const library = (place, file) => path.join(place, 'node_modules', 'echarts', 'dist', file);

// A drawing function: option, width, height to SVG.
function drawer(place) {
  const echarts = require(library(place, 'echarts.js'));
  return (option, width, height) => {
    const chart = echarts.init(null, null, { renderer: 'svg', ssr: true, width, height });
    chart.setOption({ ...option, tooltip: undefined });
    const drawn = chart.renderToSVGString();
    chart.dispose();
    return drawn;
  };
}

// One picture of several: `parts` are option, x, y, width, height.
function picture(draw, width, height, parts) {
  const part = ([option, x, y, w, h]) => draw(option, w, h).replace('<svg ', `<svg x="${x}" y="${y}" `);
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">\n${parts.map(part).join('\n')}\n</svg>\n`;
}

// `charts`: options by the id of the element in `body` that they are drawn into. `file`: which build of ECharts is enough.
function page(place, file, title, body, charts) {
  const script = fs.readFileSync(library(place, file), 'utf8').replace(/<\/script/g, '<\\/script');
  return `<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>${escape(title)}</title>
<style>
body { font: 15px/1.5 sans-serif; color: #222; max-width: 1000px; margin: 2em auto; padding: 0 1em }
.half { display: inline-block; width: 49%; height: 340px } .whole { width: 100%; height: 380px }
table { border-collapse: collapse } td, th { padding: 2px 10px; text-align: right; border-bottom: 1px solid #ddd } .what, th:first-child { text-align: left }
@media (max-width: 800px) { .half { display: block; width: 100% } }
</style></head><body>
${body}
<script>${script}</script>
<script>
const charts = ${JSON.stringify(charts).replace(/</g, '\\u003c')};
for (const [id, option] of Object.entries(charts)) {
  const chart = echarts.init(document.getElementById(id));
  chart.setOption(option);
  addEventListener('resize', () => chart.resize());
}
</script></body></html>
`;
}

module.exports = { escape, frame, drawer, picture, page };
